# SPDX-License-Identifier: Apache-2.0
"""What can happen to an agent, and what supervision may ask for: two closed sets."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.agent import Desired, Exit


@dataclass(frozen=True, slots=True)
class Wanted:
    """Somebody, or the record, wants it running or stopped. Wanting what is so already changes nothing."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class RestartWanted:
    pass


@dataclass(frozen=True, slots=True)
class Started:
    incarnation: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class StartFailed:
    """`retry`: the runtime could not be asked, so nothing is known against the program."""

    incarnation: int
    message: str
    retry: bool


@dataclass(frozen=True, slots=True)
class StopFailed:
    """The runtime could not be asked; it will be asked again."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class Exited:
    incarnation: int
    exit: Exit


@dataclass(frozen=True, slots=True)
class Probed:
    incarnation: int
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class RestartIn:
    """Heal's answer to a `Report`: again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Heal's answer to a `Report`: no more restarts until somebody starts it."""

    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    pass


Event = Wanted | RestartWanted | Started | StartFailed | StopFailed | Exited | Probed | RestartIn | GiveUp | Tick


@dataclass(frozen=True, slots=True)
class StartInstance:
    """Idempotent by incarnation."""

    incarnation: int


@dataclass(frozen=True, slots=True)
class StopInstance:
    incarnation: int
    grace: float


@dataclass(frozen=True, slots=True)
class ForgetInstance:
    incarnation: int


@dataclass(frozen=True, slots=True)
class ProbeInstance:
    incarnation: int
    endpoint: str


@dataclass(frozen=True, slots=True)
class Announce:
    """An event for people and streams; `type` as in `model.event`."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """It is down and should not be. The answer is `RestartIn` or `GiveUp`. `healthy_s`: how long it was well before."""

    cause: str
    healthy_s: float
    exit: Exit | None = None


Command = StartInstance | StopInstance | ForgetInstance | ProbeInstance | Announce | Report
