# SPDX-License-Identifier: Apache-2.0
"""No pattern of the analysis takes long over hostile text: twice the text is twice the work, not four times.

Nothing is timed here. A pattern that goes back and forth over these texts takes a minute or for ever, others a few
milliseconds: the test's own time limit ends the former."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import pytest

import homeport.analyze
from homeport.analyze import analyze
from homeport.analyze.pattern import Uncompiled, late
from homeport.analyze.ruleset import rulesets
from homeport.testing.fetchers import DictView

LINE, LONG_LINE, TEXT = 4_096, 65_536, 262_144
CHARACTERS = ("a", "9", "_", " ", "\n", "-", "/", "a-9.")
UNITS = (
    "9.", "\t", "\u2028", "\u4e2d", "a.b/", "=", "a=", ": ", '"', "(", "[", "[a](", "![", "{", "<a ", "`", "*", "# ",
    "| 9 ", "$", "${A:-", "\\", "&amp;", "http://localhost:", "a gpu ", "gpu memory 9 ", "if a gpu and a cpu ",
    "requires a ", "test on ", "16 GB of ", "8x a100 ", "cuda >= ", "lambda: ", "not ", "port = ", "FROM a ",
    "--mem=9 ", "listen(", "token=", "7b-",
)  # fmt: skip
HOSTILE = (
    "9" * 99,
    "a ",
    "gpu or cpu ",
    "if __name__ == '__main__': PORT\n",
    "FastAPI(" * 9,
    "#SBATCH -c 9\n",
    "[[",
    "<a>",
)
NAMES = (
    "README.md docs/install.md requirements.txt setup.py setup.cfg pyproject.toml main.py server.js package.json "
    "go.mod main.go Cargo.toml src/main.rs pom.xml build.gradle src/A.java composer.json Gemfile config.ru DESCRIPTION "
    "app.R a.csproj Program.cs mix.exs Project.toml CMakeLists.txt Makefile Dockerfile compose.yaml "
    "environment.yml a.slurm k8s/a.yaml deepspeed.json cog.yaml .devcontainer/devcontainer.json nb.ipynb Procfile "
    ".env.example homeport.yaml gradle.properties check-ram.sh .gitattributes .github/workflows/ci.yml spack.yaml "
    "package.py"
).split()


def _found(value: object, depth: int = 0) -> Iterator[re.Pattern[str]]:
    if isinstance(value, (re.Pattern, Uncompiled)):
        yield value
    elif depth < 6 and isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            yield from _found(one, depth + 1)
    elif depth < 6 and isinstance(value, Mapping):
        yield from _found((*value.keys(), *value.values()), depth)
    elif depth < 6 and is_dataclass(value) and not isinstance(value, type):
        yield from _found([getattr(value, field.name) for field in fields(value)], depth)


def _patterns() -> dict[str, list[re.Pattern[str]]]:
    """Those that stand in a module of the analysis, by its name."""
    found = {}
    for module in pkgutil.walk_packages(homeport.analyze.__path__, "homeport.analyze."):
        values = vars(importlib.import_module(module.name)).values()
        patterns = {(one.pattern, one.flags): one for value in values for one in _found(value)}
        if patterns:
            found[module.name.removeprefix("homeport.analyze.")] = list(patterns.values())
    return found


PATTERNS = _patterns()


TEXTS = [(unit * LONG_LINE)[:LONG_LINE] + "!" for unit in CHARACTERS] + [(unit * LINE)[:LINE] + "!" for unit in UNITS]


@pytest.mark.timeout(25)
@pytest.mark.parametrize("module", PATTERNS)
def test_no_pattern_goes_back_and_forth_over_a_hostile_line(module):
    for pattern in PATTERNS[module]:
        for text in TEXTS:
            pattern.match(text)
            pattern.search(text)


def test_a_pattern_is_compiled_at_its_first_use_and_then_the_same():
    one = late(r"(\d+)\s(GB)", re.I)
    assert "search" not in vars(one)
    assert one.search("at least 24 gb")[1] == "24"
    assert vars(one)["search"].__self__ is re.compile(r"(\d+)\s(GB)", re.I)
    assert one.sub(r"\1", "24 GB") == "24" and one.findall("1 GB 2 gb") == [("1", "GB"), ("2", "gb")]
    with pytest.raises(AttributeError):
        one.scanner  # noqa: B018
    with pytest.raises(re.error):
        late("(").match("")


@pytest.mark.parametrize("unit", HOSTILE)
def test_every_file_may_be_one_long_line(unit):
    wanted = {path for one in rulesets() for path in one.wants(NAMES)}
    assert len(wanted) > 20
    found = analyze(DictView(dict.fromkeys(NAMES, (unit * TEXT)[:TEXT])))
    assert found.looked_for
