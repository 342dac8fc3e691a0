# SPDX-License-Identifier: Apache-2.0
"""Python: what its project files declare, what its dependencies imply, what its code does when it starts."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.rules.python import code, implied, project
from homeport.analyze.rules.python.declared import read_declared
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem


def _read(repo: Repo, claims: Claims) -> None:
    files = code.worth_reading(repo)
    if not project.is_python(repo) and not files:
        return
    origin = Origin.DEPENDENCY if project.is_python(repo) else Origin.CODE
    first = project.is_python(repo) or files[0]
    claims.add("ecosystem", Ecosystem.PYTHON, origin, file=first, line=0, rule="python.project", confidence=0.7)
    declared = read_declared(repo, claims)
    project.read(repo, claims, declared)
    implied.read(repo, claims, declared)
    code.read(repo, claims, files, declared)


def _wants(paths: Sequence[str]) -> list[str]:
    return project.wants(paths) + code.wants(paths)


RULES = Ruleset(
    wants=_wants,
    read=_read,
    looks_for=(
        "pyproject.toml or setup.cfg with a script that serves",
        "a FastAPI, Starlette, Flask, Quart or Django application",
        'main.py, app.py, server.py, agent.py or __main__.py with `if __name__ == "__main__"`',
    ),
)
