# SPDX-License-Identifier: Apache-2.0
"""What a module under `rules/` is: `RULES`, a Ruleset. A new file there is found by itself."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from homeport.analyze import rules
from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo


@dataclass(frozen=True, slots=True)
class Ruleset:
    """`wants` picks the files to read from all paths, the most telling first; `read` makes claims from their text.

    `looks_for` says in words where it would find a start command: told to the user when there is none.
    """

    wants: Callable[[Sequence[str]], Iterable[str]]
    read: Callable[[Repo, Claims], None]
    looks_for: tuple[str, ...] = ()
    rank: int = 50
    """Lower ones are read first and named first; it decides nothing but ties."""


@cache
def rulesets() -> tuple[Ruleset, ...]:
    """All of them, by rank, then by their modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(rules.__path__))
    found = [import_module(f"{rules.__name__}.{name}").RULES for name in names]
    assert all(isinstance(one, Ruleset) for one in found)
    return tuple(sorted(found, key=lambda one: one.rank))
