# SPDX-License-Identifier: Apache-2.0
"""One attempt to have a request answered: events in, commands out."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.gateway.core.delivery import MAX_ATTEMPTS, Sent, Verdict, after_loss
from homeport.gateway.core.message import ResponseHead
from homeport.model.request import RequestState


@dataclass(frozen=True, slots=True)
class Refused:
    """No connection could be made: nothing was sent."""

    why: str


@dataclass(frozen=True, slots=True)
class Answering:
    head: ResponseHead


@dataclass(frozen=True, slots=True)
class Declined:
    """The head of an answer that says "not done". `after`: seconds until it is asked again; None: it is not."""

    head: ResponseHead
    after: float | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The whole response has come."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended before the response did. `stale`: it was a reused one and not one byte came back."""

    why: str
    sent: Sent
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """Told by the control plane, or by our own end: nobody will answer on this connection any more."""

    why: str


Event = Refused | Answering | Declined | Answered | Lost | Gone


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass the head on to whoever waits, then the body as it comes."""

    head: ResponseHead


@dataclass(frozen=True, slots=True)
class Complete:
    """`given_up`: it was answered, but not done, and is not sent again."""

    given_up: Verdict | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """At once, on a fresh connection."""


@dataclass(frozen=True, slots=True)
class Cut:
    """End the client's response so that it cannot be taken for a whole one."""


@dataclass(frozen=True, slots=True)
class Release:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection to the agent."""


Command = Relay | Complete | SendAgain | Cut | Release | HangUp
_COMPLETE = (Complete(),)


class Attempt:
    """Give it events in the order they happen; after its last command it answers with none."""

    __slots__ = ("_again", "_attempts", "_declined", "_most", "_relaying", "_repeatable", "_touched", "ended")

    def __init__(self, *, repeatable: bool, attempts: int, most: int = MAX_ATTEMPTS) -> None:
        self._repeatable = repeatable
        self._attempts = attempts
        self._most = most
        self._declined: Verdict | None = None
        self._relaying = False
        self._again = False
        self._touched = False
        self.ended = False

    def handle(self, event: Event) -> tuple[Command, ...]:
        if self.ended:
            return ()
        if isinstance(event, Answering):
            self._relaying = True
            return (Relay(event.head),)
        if isinstance(event, Answered):
            self.ended = True
            if self._declined is None:
                return _COMPLETE
            return (Complete(self._declined),) if self._relaying else (Release(self._declined),)
        if isinstance(event, Declined):
            return self._decline(event)
        if isinstance(event, Refused):
            if self._touched:  # the connection before this one did take it to the agent, perhaps
                return self._give_up(Sent.PERHAPS, event.why)
            self.ended = True
            return (Release(Verdict(RequestState.PENDING, event.why, attempted=False)),)
        if isinstance(event, Lost):
            return self._lost(event)
        return (HangUp(), *self._give_up(Sent.PERHAPS, event.why))

    def _decline(self, event: Declined) -> tuple[Command, ...]:
        why = f"the agent answered {event.head.status}"
        if event.after is not None:
            self._declined = Verdict(RequestState.PENDING, why, after=event.after)
            return ()
        self._declined = Verdict(RequestState.DEAD, f"given up after {self._attempts} attempts: {why}")
        self._relaying = True
        return (Relay(event.head),)

    def _lost(self, event: Lost) -> tuple[Command, ...]:
        untouched = event.sent is Sent.NOTHING
        if (event.stale or untouched) and not self._again and (untouched or self._repeatable):
            self._again, self._touched = True, not untouched
            return (SendAgain(),)
        return self._give_up(event.sent, event.why)

    def _give_up(self, sent: Sent, why: str) -> tuple[Command, ...]:
        self.ended = True
        verdict = self._declined or after_loss(
            sent, repeatable=self._repeatable, attempts=self._attempts, why=why, most=self._most
        )
        release = Release(verdict)
        return (Cut(), release) if self._relaying else (release,)
