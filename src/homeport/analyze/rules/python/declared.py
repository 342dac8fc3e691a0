# SPDX-License-Identifier: Apache-2.0
"""Dependencies as declared: requirements files, pyproject.toml (PEP 621 and Poetry), setup.cfg."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
SETUP_CFG = "setup.cfg"
_NAME = late(r"\s{0,8}[\"']?([A-Za-z0-9](?:[A-Za-z0-9._-]{0,80}[A-Za-z0-9])?)\s{0,3}(\[[\w, .-]{0,80}\])?")
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Dependency:
    """`name` is normalised (PEP 503). `extra` is not "" for what is installed on demand only."""

    name: str
    file: str
    line: int
    text: str
    extra: str = ""


@dataclass(slots=True)
class Declared:
    """`pyproject` is {} where there is none or it cannot be read."""

    dependencies: list[Dependency] = field(default_factory=list)
    pyproject: dict[str, Any] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return any(one.name == name and not one.extra for one in self.dependencies)


def read_declared(repo: Repo, claims: Claims) -> Declared:
    """All that the project's files declare; broken ones become warnings."""
    declared = Declared()
    for file in requirements_in(repo.paths):
        declared.dependencies += _from_requirements(repo, file)
    if repo.text(PYPROJECT):
        try:
            declared.pyproject = tomllib.loads(repo.text(PYPROJECT))
        except (ValueError, RecursionError):
            claims.warn(f"{PYPROJECT} is not valid TOML; nothing was taken from it")
        declared.dependencies += _from_pyproject(repo, declared.pyproject)
    declared.dependencies += _from_setup_cfg(repo)
    del declared.dependencies[_MOST:]
    return declared


@once
def requirements_in(paths: Paths) -> list[str]:
    """Files in the root that pip installs from."""
    return [path for path in paths.ending(".txt", depth=0) if re.fullmatch(r"requirements[\w.-]{0,40}\.txt", path)]


def table(data: Any, *keys: str) -> dict[str, Any]:
    """A table within parsed TOML or JSON; {} for anything else."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def _from_requirements(repo: Repo, file: str) -> Iterator[Dependency]:
    extra = "" if file == REQUIREMENTS else file.removeprefix("requirements").removesuffix(".txt").strip("-_.") or ""
    for number, line in enumerate(repo.lines(file), 1):
        if line.lstrip().startswith(("#", "-")):
            continue
        if found := _NAME.match(line):
            yield Dependency(_normal(found[1]), file, number, line, extra)
            yield from _extras_of(found, file, number, line, extra)


def _from_pyproject(repo: Repo, data: dict[str, Any]) -> Iterator[Dependency]:
    project = table(data, "project")
    groups: list[tuple[str, object]] = [("", project.get("dependencies"))]
    groups += list(table(project, "optional-dependencies").items())
    groups.append(("", list(table(data, "tool", "poetry", "dependencies"))))
    for extra, wanted in groups:
        for text in wanted[:_MOST] if isinstance(wanted, list) else ():
            if isinstance(text, str) and (found := _NAME.match(text)) and found[1] != "python":
                line = repo.find(PYPROJECT, text) or repo.find(PYPROJECT, found[1])
                yield Dependency(_normal(found[1]), PYPROJECT, line, repo.line(PYPROJECT, line), extra)
                yield from _extras_of(found, PYPROJECT, line, repo.line(PYPROJECT, line), extra)


def _from_setup_cfg(repo: Repo) -> Iterator[Dependency]:
    inside = False
    for number, line in enumerate(repo.lines(SETUP_CFG), 1):
        if not line.startswith((" ", "\t")):
            inside = line.replace(" ", "").startswith("install_requires=")
        elif inside and (found := _NAME.match(line)):
            yield Dependency(_normal(found[1]), SETUP_CFG, number, line)


def _extras_of(found: re.Match[str], file: str, line: int, text: str, extra: str) -> Iterator[Dependency]:
    """`fastapi[standard]` brings uvicorn."""
    if found[2] and _normal(found[1]) == "fastapi" and ("standard" in found[2] or "all" in found[2]):
        yield Dependency("uvicorn", file, line, text, extra)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
