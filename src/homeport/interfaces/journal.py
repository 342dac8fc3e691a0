# SPDX-License-Identifier: Apache-2.0
"""Requests on disk before they are forwarded: one gateway's own file, or a database that several share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from homeport.interfaces.outbox import Outbox
from homeport.model.kept import ALL, Finished, Forgotten, Usage, Wanted
from homeport.model.request import RequestState, StoredRequest, StoredResponse

Overdue = list[Finished]
LEVEL_US = 60_000_000
"""How much earlier a request counts as accepted for each level that its priority is higher. So whoever waits rises one
level a minute, and nobody waits forever behind those who come later. Indexes hold this number: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """`existing` is the request that already holds the key; then nothing was written."""

    id: str
    existing: StoredRequest | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """Those that are pending for one agent: how many, and when the oldest of them was accepted."""

    requests: int
    since_us: int


class Shelf(Protocol):
    """Bodies too large for a row, kept where every gateway on the journal can read them.

    All of them raise `Unavailable` while the journal is away; repeating a call is harmless.
    """

    async def put(self, name: str, file: Path) -> None:
        """The whole of `file` under `name`, durable when it returns. Raises `StorageFull` with nothing of it kept."""
        ...

    async def fetch(self, name: str, file: Path) -> bool:
        """Write it to `file`, which must not exist; False, and no file, where there is nothing of that name."""
        ...

    async def head(self, name: str, limit: int) -> bytes:
        """The first bytes of it, at most `limit`; b"" where there is nothing of that name."""
        ...

    async def remove(self, name: str) -> None: ...

    async def orphans(self) -> list[str]:
        """Those put down by this owner in a former life that no request names."""
        ...


class Journal(Protocol):
    """Writes to one request or key take effect in the order of the calls; any of them raises `StorageFull` with
    nothing of it written, or `Unavailable` with nothing of it written while the journal is away.

    A write that was under way when the journal went away is neither: it waits until the journal is back, and is
    carried out exactly once. `complete` and `release` always wait so: what happened must be written down.

    The two calls of the hot path return futures, so that a caller may go on and look at the result later;
    a future that is abandoned is still carried out.

    Times are the caller's. Where machines share a journal it is the journal that makes up for their clocks.
    """

    @property
    def shared(self) -> bool:
        """Whether other owners may work on the same requests: then a lease must be renewed while it is used."""
        ...

    @property
    def shelf(self) -> Shelf | None:
        """Where large bodies go; None: into files beside the journal."""
        ...

    @property
    def outbox(self) -> Outbox:
        """The changes of requests that somebody is to be told of."""
        ...

    def away(self) -> str:
        """Why the journal does not answer just now, in words for callers; "" while it does."""
        ...

    def accept(self, request: StoredRequest, *, urgent: bool = True) -> asyncio.Future[Accepted]:
        """Durable when it is done; not `urgent`: it may wait a little for another, as `complete` does.

        One with the same (namespace, agent, agent_id, key) is returned as `existing`.

        A request may arrive already IN_FLIGHT (its first lease in the same commit) with fence and attempts 1.
        """
        ...

    def complete(self, request_id: str, fence: int, response: StoredResponse) -> asyncio.Future[bool]:
        """IN_FLIGHT → COMPLETED, if `fence` is still the current one (else False: the answer came too late).

        May wait a few milliseconds for another write to share its commit with.
        """
        ...

    async def lease(self, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
        """PENDING → IN_FLIGHT with the next fence and attempt; None if it is not pending any more.

        None as well while another of its lane is in flight, or pending and accepted before it.
        """
        ...

    async def renew(self, held: Collection[tuple[str, int]], owner: str, until_us: int) -> set[str]:
        """Longer leases for what `owner` has in flight: (id, fence) each. The ids of those that are still its own."""
        ...

    async def release(
        self,
        request_id: str,
        fence: int,
        state: RequestState,
        *,
        outcome: str,
        not_before_us: int = 0,
        attempted: bool = True,
        response: StoredResponse | None = None,
    ) -> bool:
        """IN_FLIGHT → PENDING (again, not before), FAILED or DEAD, with the reason. Fenced like `complete`.

        `response` is the last answer of one that is given up because of it.

        `attempted` False: nothing reached the agent, so this attempt is not counted. For FAILED and DEAD
        `not_before_us` is when it was given up: its age counts from there.
        """
        ...

    async def abandon(self, request_id: str, state: RequestState, *, outcome: str) -> bool:
        """PENDING → FAILED or DEAD, whosever turn it is; False if it is not pending any more."""
        ...

    async def replay(self, request_id: str) -> StoredRequest | None:
        """COMPLETED | FAILED | DEAD → PENDING by a person's wish; None if it is pending or in flight already.

        A stored response is dropped: the next one takes its place.
        """
        ...

    async def pending(self, namespace: str, agent: str, *, limit: int = 100) -> list[StoredRequest]:
        """The most urgent first, by `accepted_at_us` + priority x `LEVEL_US`, then by id; whether or not their
        `not_before_us` has come."""
        ...

    async def due(
        self, namespace: str, agent: str, *, now_us: int, furthest_us: int, limit: int = 100
    ) -> list[StoredRequest]:
        """Of `pending`, those that `lease` would give and whose time has come.

        One that waits for a time later than `furthest_us` is due: the clock was set back since.
        """
        ...

    async def waiting(self, namespace: str, agent: str, *, most: int) -> int:
        """How many of an agent's are pending, counted up to `most`."""
        ...

    async def expiring(self, *, limit: int = 100) -> list[StoredRequest]:
        """The pending ones that have a deadline, the nearest first."""
        ...

    async def interrupted(self, *, owner: str, now_us: int, limit: int = 100) -> list[StoredRequest]:
        """Those in flight whose lease nobody can hold any more: `owner`'s own from before, and overdue ones.

        Asking changes nothing: several may get the same one, and the first to release it has judged it. An owner
        that serves already passes "", and gets the overdue only.
        """
        ...

    async def get(self, request_id: str) -> StoredRequest | None: ...

    async def by_key(self, namespace: str, agent: str, agent_id: str, key: str) -> StoredRequest | None:
        """The one that `accept` would return as `existing`; `key` is not empty."""
        ...

    async def list(
        self, namespace: str, wanted: Wanted = ALL, *, after: str = "", limit: int = 100, newer: str = ""
    ) -> list[StoredRequest]:
        """Newest first; ids sort by time; `after` continues a page. Bodies have their size but not their bytes.

        With `newer`: those after this id, oldest first.
        """
        ...

    async def usage(self) -> dict[tuple[str, str], Usage]:
        """How much is kept, by (namespace, agent). May take a second over a million requests; nobody waits for it."""
        ...

    async def finished(self, *, after: str = "", limit: int = 1000) -> Overdue:
        """COMPLETED, FAILED and DEAD ones by id, from the first after `after` on."""
        ...

    async def forget(self, request_ids: Sequence[str]) -> Forgotten:
        """Removes those that are finished, with their answers and keys, until a few milliseconds of the writer's time
        are used up; at least the first is handled. What is pending or in flight, or gone already, stays as it is.

        Who gets a name in `bodies` removes that body: nobody else will until a next life.
        """
        ...

    async def backlog(self) -> dict[tuple[str, str], int]:
        """How many are pending, by (namespace, agent); none at all is left out."""
        ...

    async def queues(self) -> dict[tuple[str, str], Queue]:
        """What is pending, by (namespace, agent); none at all is left out. May take 50 ms over a million."""
        ...

    async def sizes(self) -> dict[str, int]:
        """Bytes that it takes where it is kept, by part."""
        ...

    async def counts(self) -> dict[RequestState, int]:
        """How many there are in each state."""
        ...

    async def put_note(self, name: str, value: bytes) -> None:
        """Something small the owner must find again after a restart; replaces the last one. Durable on return."""
        ...

    async def get_note(self, name: str) -> bytes | None: ...

    async def notes(self, name: str) -> dict[str, bytes]:
        """What every owner on this journal has put down by that name, by owner; "" for the one of a journal's own."""
        ...

    def sync_seconds(self) -> float:
        """Median duration of the last commits; 0 before the first."""
        ...

    def watch_syncs(self, told: Callable[[float], None]) -> None:
        """`told` hears the seconds of each commit from now on, on the thread that commits: it must be quick."""
        ...

    async def close(self) -> None:
        """Everything asked for is on disk. Idempotent."""
        ...
