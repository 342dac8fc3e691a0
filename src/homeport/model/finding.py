# SPDX-License-Identifier: Apache-2.0
"""What watch saw, what heal may do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeport.model.agent import Exit


class FindingKind(StrEnum):
    EXITED = "exited"
    UNHEALTHY = "unhealthy"
    CRASH_LOOP = "crash_loop"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Finding:
    """`cause` is taken from what was observed; "undetermined" is an answer."""

    namespace: str
    agent: str
    kind: FindingKind
    at_us: int
    cause: str = "undetermined"
    exit: Exit | None = None
    detail: str = ""


class ActionKind(StrEnum):
    """The closed set. Each has a revert, or none because it is its own."""

    NONE = "none"
    RESTART = "restart"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Action:
    kind: ActionKind
    namespace: str
    agent: str
    why: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    action: Action
    done: bool
    verified: bool
    detail: str = ""
