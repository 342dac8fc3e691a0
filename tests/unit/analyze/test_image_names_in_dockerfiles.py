# SPDX-License-Identifier: Apache-2.0
"""Images of registries that have a port of their own, which is no tag."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.analyze.baseimages import name_and_tag
from homeport.model.requirements import Ecosystem
from homeport.testing.fetchers import DictView


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("Python:3.12", "python", "3.12"),
        ("registry.example:5000/team/python:3.12", "registry.example:5000/team/python", "3.12"),
        ("registry.example:5000/team/python", "registry.example:5000/team/python", ""),
        ("python:3.12@sha256:aa", "python", "3.12"),
        ("", "", ""),
    ],
)
def test_a_name_and_its_tag_are_told_apart(image: str, name: str, tag: str) -> None:
    assert name_and_tag(image) == (name, tag)


def test_an_image_of_python_is_known_by_whatever_registry_it_comes_from() -> None:
    dockerfile = 'FROM --platform=linux/amd64 registry.example:5000/python:3.12-slim\nCMD ["python", "main.py"]\n'
    found = analyze(DictView({"Dockerfile": dockerfile, "main.py": "print()\n"}))
    assert found.ecosystem.value is Ecosystem.PYTHON
    assert found.runtime_version is not None and found.runtime_version.value == "3.12"
