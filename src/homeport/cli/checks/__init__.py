# SPDX-License-Identifier: Apache-2.0
"""What `doctor` looks at: each check tries the thing itself, changes nothing, and ends within seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from homeport.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """`needed`: Homeport does not work without it here. `fix` is the command that adds what is missing."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    needed: bool = False


def all_checks(settings: Settings) -> list[Check]:
    from homeport.cli.checks import confinement, extensions, machine, services

    return [*machine.checks(settings), *confinement.checks(), *services.checks(settings), *extensions.checks(settings)]
