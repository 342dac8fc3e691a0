# SPDX-License-Identifier: Apache-2.0
"""What runs it: containers where an engine answers, processes where none does, and what cannot be is said at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.analyze import analyze
from homeport.errors import Unavailable, UsageError
from homeport.model.evidence import Inferred, Origin
from homeport.model.requirements import Requirements
from homeport.plan.runtime import choose_runtime
from homeport.plan.steps import builds
from homeport.testing.fetchers import DictView

ENGINE = "Docker 20.10.24"
PLAIN = analyze(DictView({"main.py": 'if __name__ == "__main__":\n    pass\n'}))
IMAGE = replace(PLAIN, start=None, image=Inferred("nginx:1.27", Origin.USER))
BUILT = replace(PLAIN, start=None, dockerfile=Inferred("Dockerfile", Origin.CONTAINER))


@pytest.mark.parametrize(
    ("needs", "wished", "engine", "expected"),
    [
        (PLAIN, "auto", ENGINE, "docker"),
        (PLAIN, "auto", "", "process"),
        (PLAIN, "process", ENGINE, "process"),
        (PLAIN, "docker", ENGINE, "docker"),
        (IMAGE, "auto", ENGINE, "docker"),
        (BUILT, "auto", ENGINE, "docker"),
        (BUILT, "process", ENGINE, "process"),
    ],
)
def test_the_runtime_is_chosen_and_says_why(needs: Requirements, wished: str, engine: str, expected: str) -> None:
    chosen, why = choose_runtime(needs, wished=wished, engine=engine)
    assert chosen == expected and why


@pytest.mark.parametrize(
    ("needs", "wished", "error", "words"),
    [
        (PLAIN, "docker", Unavailable, "no container engine answers here"),
        (IMAGE, "auto", Unavailable, "it is an image"),
        (BUILT, "auto", Unavailable, "only Dockerfile says how it starts"),
        (IMAGE, "process", UsageError, "cannot run as a plain process"),
        (PLAIN, "lxc", UsageError, "there is no runtime 'lxc'"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_what_to_do(
    needs: Requirements, wished: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        choose_runtime(needs, wished=wished, engine="")
    assert caught.value.hint  # type: ignore[attr-defined]


def test_a_dockerfile_is_built_only_where_containers_run() -> None:
    assert builds(BUILT, "docker") and not builds(BUILT, "process") and not builds(IMAGE, "docker")
