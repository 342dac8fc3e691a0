# SPDX-License-Identifier: Apache-2.0
"""A program that is not here is refused before anything is done, with what to do."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.errors import Unavailable
from homeport.run.unbuilt import refuse_unbuilt
from homeport.testing.fetchers import DictView

GO = {"go.mod": "module a\n\ngo 1.22\n", "main.go": "package main\n\nfunc main() {}\n"}
MAVEN = {
    "pom.xml": "<project><build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins>"
    "</build></project>",
    "src/main/java/A.java": "class A {}\n",
}


def refuse(files: dict[str, str], *, builds: bool = False, has: tuple[str, ...] = ()) -> None:
    refuse_unbuilt(analyze(DictView(files)), builds=builds, has=lambda program: program in has)


def test_a_toolchain_that_is_missing_is_named_with_the_ways_out():
    with pytest.raises(Unavailable, match="started by go") as refused:
        refuse(GO)
    assert "Dockerfile" in refused.value.hint
    assert "--start" in refused.value.hint


def test_where_a_dockerfile_builds_it_the_engine_is_what_is_missing():
    with pytest.raises(Unavailable) as refused:
        refuse({**GO, "Dockerfile": "FROM golang:1.22\nCMD go run . && true\n"})
    assert "Docker or Podman" in refused.value.hint


@pytest.mark.parametrize(
    ("files", "builds", "has"),
    [
        (GO, True, ()),
        (GO, False, ("go",)),
        ({**GO, "homeport.yaml": "start: ./notes\n"}, False, ()),
        ({"main.py": 'if __name__ == "__main__":\n    pass\n', "requirements.txt": "flask\n"}, False, ()),
        ({**MAVEN, "mvnw": ""}, False, ()),
        ({"README.md": "nothing starts\n"}, False, ()),
    ],
)
def test_what_can_be_started_is_let_through(files, builds, has):
    refuse(files, builds=builds, has=has)
