# SPDX-License-Identifier: Apache-2.0
"""Counting. All of it happens on the loop's thread, a few additions at a time; commits are told by the journal's."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from homeport.gateway.core.access import Key
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.metrics.families import Reading
from homeport.gateway.metrics.histogram import Histogram
from homeport.model.request import RequestState, StoredRequest

REMOVED = 200
"""Agents that are not there any more and whose numbers are still told, so that a scraper sees their last ones."""
REASONS = {
    400: "bad_request", 401: "not_authenticated", 403: "not_allowed", 404: "not_found", 405: "bad_request",
    408: "too_slow", 409: "conflict", 410: "gone", 411: "bad_request", 413: "too_large", 414: "too_large",
    422: "conflict", 429: "queue_full", 431: "too_large", 501: "bad_request", 502: "no_answer", 503: "unavailable",
    504: "deadline", 505: "bad_request", 507: "no_space",
}  # fmt: skip
"""Where the one who refuses says no more than a status."""


class AgentCounts:
    """Of one agent."""

    __slots__ = (
        "accepted", "agent_time", "ended", "queue_time", "retries", "tunnels", "tunnels_opened", "tunnels_received",
        "tunnels_sent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted = self.retries = 0
        self.ended: dict[tuple[str, int], int] = {}
        """By outcome and the class of the last answer's status, 0 where there was none."""
        self.agent_time = Histogram()
        self.queue_time = Histogram()
        self.tunnels = self.tunnels_opened = self.tunnels_sent = self.tunnels_received = 0


class Metrics:
    def __init__(self) -> None:
        self.agents: dict[Key, AgentCounts] = {}
        self.refusals: dict[tuple[str, int], int] = {}
        self.promises = 0
        self.total_time = Histogram()
        self.sync_time = Histogram()
        self.sources: list[Callable[[], Iterable[Reading]]] = []
        """Asked at every scrape: other parts put theirs in. Readings of one family come together, and quickly."""

    def of(self, key: Key) -> AgentCounts:
        found = self.agents.get(key)
        if found is None:
            found = self.agents[key] = AgentCounts()
        return found

    def accepted(self, key: Key, *, direct: bool) -> None:
        """It is in the journal; `direct`: and goes to its agent at once."""
        counts = self.of(key)
        counts.accepted += 1
        if direct:
            counts.queue_time.counts[0] += 1

    def waited(self, key: Key, seconds: float) -> None:
        """From acceptance to its first attempt. A clock that was set back makes no negative wait."""
        self.of(key).queue_time.observe(max(0.0, seconds))

    def answered(self, request: StoredRequest, head: ResponseHead | None, seconds: float) -> None:
        """An agent answered the whole of it, and that was so many seconds after it was sent."""
        counts = self.of((request.namespace, request.agent))
        counts.agent_time.observe(seconds)
        label = ("completed", head.status // 100 if head else 0)
        counts.ended[label] = counts.ended.get(label, 0) + 1

    def ended(self, key: Key, state: RequestState, status: int = 0) -> None:
        """In this state; `status` of its last answer, 0 where there was none."""
        ended, label = self.of(key).ended, (state.value, status // 100)
        ended[label] = ended.get(label, 0) + 1

    def released(self, key: Key, state: RequestState, status: int = 0) -> None:
        """An attempt that did not complete it: it waits again, failed, or is a dead letter. `status` of an answer."""
        if state is RequestState.PENDING:
            self.of(key).retries += 1
        else:
            self.ended(key, state, status)

    def took(self, seconds: float) -> None:
        """From the request's last byte to the end of its answer, as the client saw it."""
        self.total_time.observe(seconds)

    def refused(self, status: int, reason: str = "") -> None:
        """Answered by the gateway itself. `reason` is one of a few words of ours, never anything a caller sent."""
        label = (reason or REASONS.get(status, "other"), status)
        self.refusals[label] = self.refusals.get(label, 0) + 1

    def promised(self) -> None:
        self.promises += 1

    def tunnel_opened(self, key: Key) -> None:
        counts = self.of(key)
        counts.tunnels += 1
        counts.tunnels_opened += 1

    def tunnel_ended(self, key: Key, up: int, down: int) -> None:
        """`up` bytes went to the agent, `down` to the client."""
        counts = self.of(key)
        counts.tunnels = max(0, counts.tunnels - 1)
        counts.tunnels_sent += up
        counts.tunnels_received += down

    def forget(self, known: Container[Key]) -> None:
        """Of agents that are not `known`, all but the last few: names that come and go must not pile up."""
        gone = [key for key, counts in self.agents.items() if key not in known and not counts.tunnels]
        for key in gone[: max(0, len(gone) - REMOVED)]:
            del self.agents[key]
