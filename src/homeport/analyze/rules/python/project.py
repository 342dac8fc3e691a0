# SPDX-License-Identifier: Apache-2.0
"""Project files: version, scripts, what to install."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.rules.python.declared import (
    PYPROJECT,
    REQUIREMENTS,
    SETUP_CFG,
    Declared,
    requirements_in,
    table,
)
from homeport.model.evidence import Origin

_MARKS = (PYPROJECT, REQUIREMENTS, SETUP_CFG, "setup.py", "Pipfile", "runtime.txt", ".python-version", "poetry.lock")
_SERVING = late(r"(?:^|[-_])(?:serve|server|start|run|web|api|agent|app|bot)(?:$|[-_])")


def is_python(repo: Repo) -> str:
    """The project file that says so, or ""."""
    return next((name for name in _MARKS if name in repo), "")


def wants(paths: Sequence[str]) -> list[str]:
    return [name for name in _MARKS if name in paths] + requirements_in(paths)


def read(repo: Repo, claims: Claims, declared: Declared) -> None:
    _read_versions(repo, claims, declared)
    _read_scripts(repo, claims, declared)
    _read_installs(repo, claims, declared)


def _read_versions(repo: Repo, claims: Claims, declared: Declared) -> None:
    for file, pattern in (
        ("runtime.txt", r"python-(\d+(?:\.\d+){0,2})"),
        (".python-version", r"(?:python-)?(\d+(?:\.\d+){0,2})"),
    ):
        found = re.fullmatch(pattern, repo.line(file, 1).strip())
        if found:
            claims.add("runtime_version", found[1], Origin.DOCUMENTED, file=file, line=1,
                       rule="python.version-file", confidence=0.9, text=repo.line(file, 1))  # fmt: skip
    version = table(declared.pyproject, "project").get("requires-python")
    version = version or table(declared.pyproject, "tool", "poetry", "dependencies").get("python")
    if isinstance(version, str) and re.fullmatch(r"[0-9.<>=!~^*, ]{1,40}", version):
        line = repo.find(PYPROJECT, "requires-python") or repo.find(PYPROJECT, "python =")
        claims.add("runtime_version", version, Origin.DEPENDENCY, file=PYPROJECT, line=line,
                   rule="python.requires-python", confidence=0.8, text=repo.line(PYPROJECT, line))  # fmt: skip


def _read_scripts(repo: Repo, claims: Claims, declared: Declared) -> None:
    """A declared command may be a tool as well as a service: one that is called like a service is believed more."""
    scripts = {
        **table(declared.pyproject, "tool", "poetry", "scripts"),
        **table(declared.pyproject, "project", "scripts"),
    }
    for name, target in list(scripts.items())[:50]:
        serving = bool(_SERVING.search(name))
        if not isinstance(target, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,80}", name, re.A):
            continue
        if not serving and len(scripts) > 1:
            continue
        line = repo.find(PYPROJECT, target)
        claims.start((name,), Origin.CODE, file=PYPROJECT, line=line, rule="python.script",
                     confidence=0.5 if serving else 0.3, text=repo.line(PYPROJECT, line))  # fmt: skip


def _read_installs(repo: Repo, claims: Claims, declared: Declared) -> None:
    if any(one.file == REQUIREMENTS for one in declared.dependencies) or _has_options(repo):
        claims.installs.append((Origin.DEPENDENCY, (REQUIREMENTS,)))
    elif any(one.file == PYPROJECT and not one.extra for one in declared.dependencies):
        claims.installs.append((Origin.DEPENDENCY, (PYPROJECT,)))
    elif any(one.file == SETUP_CFG for one in declared.dependencies) or "setup.py" in repo:
        claims.installs.append((Origin.DEPENDENCY, ("setup.py" if "setup.py" in repo else SETUP_CFG,)))
    elif table(declared.pyproject, "project", "scripts"):
        claims.installs.append((Origin.DEPENDENCY, (PYPROJECT,)))
    elif "Pipfile" in repo:
        claims.warn("Pipfile: dependencies in it are not installed; export them to requirements.txt")


def _has_options(repo: Repo) -> bool:
    return any(line.startswith(("-r ", "-e ", "--requirement")) for line in repo.lines(REQUIREMENTS))
