# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request whose agent did not answer it: never lost, never carried out twice unless allowed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homeport.model.request import RequestState
from homeport.model.workload import Delivery

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
MAX_ATTEMPTS = 5
"""Times an agent may die over one request before a person has to look at it."""

MAX_BACKOFF_S = 5.0


class Sent(StrEnum):
    """How much of the request can have reached the agent."""

    NOTHING = "nothing"
    PERHAPS = "perhaps"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`attempted` is false where the attempt does not count: nothing reached the agent. `after` is the seconds until
    the next one, where the agent said so."""

    state: RequestState
    outcome: str
    attempted: bool = True
    after: float | None = None


def may_repeat(method: str, *, keyed: bool, honours_keys: bool, delivery: Delivery) -> bool:
    """Whether sending it a second time is allowed after the first may have been carried out."""
    return method in IDEMPOTENT or (keyed and honours_keys) or delivery is Delivery.AT_LEAST_ONCE


def after_loss(sent: Sent, *, repeatable: bool, attempts: int, why: str, most: int = MAX_ATTEMPTS) -> Verdict:
    """The verdict on an attempt that ended without a complete answer. `attempts` includes it; `most` are made."""
    if sent is Sent.NOTHING:
        return Verdict(RequestState.PENDING, why, attempted=False)
    if not repeatable:
        return Verdict(RequestState.DEAD, f"outcome unknown: {why}")
    if attempts >= most:
        return Verdict(RequestState.DEAD, f"given up after {attempts} attempts: {why}")
    return Verdict(RequestState.PENDING, f"interrupted: {why}")


def backoff(failures: int, chance: float, *, first: float = 0.05, most: float = MAX_BACKOFF_S) -> float:
    """Seconds to wait after `failures` refusals in a row: doubling, capped, the later half of it by `chance` (0..1)."""
    full = min(most, first * 2.0 ** min(failures, 16))
    return full * (0.5 + chance / 2)
