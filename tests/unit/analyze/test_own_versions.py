# SPDX-License-Identifier: Apache-2.0
"""The version of a language is that of the one it is mostly written in; its evidence is a line that one can read."""

from __future__ import annotations

from homeport.analyze import analyze
from homeport.model.requirements import Ecosystem
from homeport.testing.fetchers import DictView

PACKAGE = {"setup.py": "from setuptools import setup\nsetup(name='fast')\n", "requirements.txt": "numpy\n"}


def test_a_python_package_that_is_mostly_cpp_has_the_standard_of_its_cpp() -> None:
    standard = {"CMakeLists.txt": "project(fast)\n\nset(CMAKE_CXX_STANDARD 20)\n"}
    workflow = {".github/workflows/ci.yml": "steps:\n  - with:\n      python-version: '3.12'\n"}
    found = analyze(DictView({**PACKAGE, **standard, **workflow, "src/fast.cpp": "int a;\n" * 400}))
    assert found.ecosystem is not None and found.ecosystem.value is Ecosystem.PYTHON
    assert found.language is not None and found.language.value == "C++"
    assert found.language_version is not None and found.language_version.value == "20"
    assert found.language_version.evidence[0].line == 3
    assert found.language_version.evidence[0].quote == "set(CMAKE_CXX_STANDARD 20)"


def test_what_lies_beside_it_says_nothing_of_its_language() -> None:
    files = {"go.mod": "module x\ngo 1.22\n", "main.py": "print()\n" * 100, "requirements.txt": "numpy\n"}
    found = analyze(DictView(files))
    assert found.language is not None and found.language.value == "Python"
    assert found.language_version is None
