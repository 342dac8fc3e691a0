# SPDX-License-Identifier: Apache-2.0
"""Notebooks: what their cells put on a GPU, and what is installed for them where the root declares nothing."""

from __future__ import annotations

import re

from homeport.analyze import libraries
from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_USES = late(
    r"\btorch\.cuda\.(?!is_available)\w{3,30}\(|\.cuda\(\)|\.to\(\\?[\"']cuda|device\s?=\s?\\?[\"']cuda|@cuda\.jit"
    r"|\bgpu\s?=\s?True\b|import cupy|import cudf"
)
_IMPORTS = late(r"\"\s{0,8}(?:import|from)\s(?:torch|fastai|tensorflow|keras|jax|cupy|cudf|diffusers|transformers)\b")
_ROOT = ("requirements.txt", "pyproject.toml", "setup.py", "setup.cfg", "environment.yml", "environment.yaml")
_REQUIREMENTS = late(r"requirements[\w.-]{0,40}\.txt")
_MOST = 24


def _read(repo: Repo, claims: Claims) -> None:
    books = [path for path in _books(repo.paths) if repo.text(path)]
    if not books:
        return
    if using := next((path for path in books if _USES.search(repo.text(path))), ""):
        _claim(repo, claims, using, _USES, "device", 0.52)
    importing = [path for path in books if _IMPORTS.search(repo.text(path))]
    if len(importing) * 4 >= len(books):
        _claim(repo, claims, importing[0], _IMPORTS, "library", 0.42)
    for file in _requirements(repo.paths):
        for number, line in enumerate(repo.lines(file)[:500], 1):
            found = re.match(r"[A-Za-z0-9][\w.-]{0,80}", line)
            name = found[0].lower().replace("_", "-") if found else ""
            if name in libraries.MAY_USE_GPU or libraries.needs_gpu(name):
                claims.add("gpu", GpuNeed.OPTIONAL, Origin.DEPENDENCY, file=file, line=number,
                           rule="notebooks.installed", confidence=0.42, text=line)  # fmt: skip
                break


def _claim(repo: Repo, claims: Claims, file: str, pattern: re.Pattern[str], rule: str, sure: float) -> None:
    number = next((at for at, line in enumerate(repo.lines(file), 1) if pattern.search(line)), 0)
    claims.add("gpu", GpuNeed.OPTIONAL, Origin.CODE, file=file, line=number, rule=f"notebooks.{rule}",
               confidence=sure, text=repo.line(file, number))  # fmt: skip


@once
def _books(paths: Paths) -> list[str]:
    """Those of a source that is made of notebooks."""
    books = paths.ending(".ipynb")
    scripts = [path for path in paths.ending(".py") if not in_the_way(path)]
    return sorted(books, key=lambda path: (path.count("/"), path))[:_MOST] if len(books) * 2 >= len(scripts) else []


@once
def _requirements(paths: Paths) -> list[str]:
    if any(file in paths for file in _ROOT):
        return []
    found = [path for path in paths.ending(".txt", depth=1) if _REQUIREMENTS.fullmatch(path.rpartition("/")[2])]
    return sorted(found)[:4]


RULES = Ruleset(wants=lambda paths: [*_books(paths), *_requirements(paths)], read=_read, rank=62)
