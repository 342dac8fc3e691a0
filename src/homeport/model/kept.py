# SPDX-License-Identifier: Apache-2.0
"""What is kept of requests, and for how long."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase

from homeport.model.request import RequestState

DAY_S = 86_400.0
FINISHED = frozenset({RequestState.COMPLETED, RequestState.FAILED, RequestState.DEAD})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests. What is empty or 0 does not narrow. `status`: of the answer, 503, or 5 for all from 500 to 599.
    Accepted from `since_us` on and before `until_us`."""

    agent: str = ""
    state: str = ""
    method: str = ""
    key: str = ""
    status: int = 0
    since_us: int = 0
    until_us: int = 0

    def statuses(self) -> tuple[int, int]:
        """The lowest and the highest."""
        return (self.status * 100, self.status * 100 + 99) if self.status < 10 and self.status else (self.status,) * 2

    def query(self) -> dict[str, str | int]:
        """What narrows, by name."""
        return {name: value for name, value in asdict(self).items() if value}


ALL = Wanted()
BEGINNING = "0"
"""Before every id."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one agent. `firm` are those that no quota may remove: unanswered ones and dead letters. Bytes of bodies."""

    requests: int = 0
    bytes: int = 0
    firm: int = 0
    firm_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that is over since `settled_at_us`, and the bytes of its bodies."""

    id: str
    namespace: str
    agent: str
    state: RequestState
    accepted_at_us: int
    settled_at_us: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """`handled`: of the ids given, how many from the first on were looked at. `removed`: how many of these are gone.
    `bodies`: names of the large bodies that nothing refers to any more."""

    handled: int = 0
    removed: int = 0
    bodies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """For one agent: seconds after the end of a request, and quotas of requests and bytes. 0 means no limit."""

    completed_s: float = 7 * DAY_S
    failed_s: float = 7 * DAY_S
    dead_s: float = 30 * DAY_S
    requests: int = 100_000
    bytes: int = 10 << 30

    def seconds(self, state: RequestState) -> float:
        return {
            RequestState.COMPLETED: self.completed_s,
            RequestState.FAILED: self.failed_s,
            RequestState.DEAD: self.dead_s,
        }.get(state, 0.0)


@dataclass(frozen=True, slots=True)
class Retention:
    """`exceptions`: a pattern of NAMESPACE/AGENT and its rule; the first that fits counts."""

    rule: Rule = field(default_factory=Rule)
    exceptions: tuple[tuple[str, Rule], ...] = ()

    def of(self, namespace: str, agent: str) -> Rule:
        name = f"{namespace}/{agent}"
        return next((rule for pattern, rule in self.exceptions if fnmatchcase(name, pattern)), self.rule)

    def shortest_s(self) -> float:
        """The shortest of all ages; 0 where none is limited."""
        rules = (self.rule, *(rule for _, rule in self.exceptions))
        return min((s for rule in rules for s in (rule.completed_s, rule.failed_s, rule.dead_s) if s), default=0.0)
