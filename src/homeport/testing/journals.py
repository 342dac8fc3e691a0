# SPDX-License-Identifier: Apache-2.0
"""A Journal in memory, kept honest by the suite that the real ones pass."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from homeport.errors import StorageFull, Unavailable
from homeport.interfaces.journal import LEVEL_US, Accepted, Overdue, Queue
from homeport.model.kept import ALL, FINISHED, Finished, Forgotten, Usage, Wanted
from homeport.model.request import RequestState, StoredRequest, StoredResponse
from homeport.testing.outboxes import MemoryOutbox

T = TypeVar("T")
_FREE = FINISHED - {RequestState.DEAD}


class MemoryJournal:
    """`full` true: every write raises `StorageFull` and changes nothing. `requests` is the whole of its state."""

    shared = False
    shelf = None

    def __init__(self) -> None:
        self.requests: dict[str, StoredRequest] = {}
        self.full = False
        self.outbox = MemoryOutbox(self._check)
        self._notes: dict[str, bytes] = {}
        self._closed = False

    def away(self) -> str:
        return ""

    def accept(self, request: StoredRequest, *, urgent: bool = True) -> asyncio.Future[Accepted]:
        return self._written(lambda: self._accept(request))

    def complete(self, request_id: str, fence: int, response: StoredResponse) -> asyncio.Future[bool]:
        return self._written(lambda: self._leave(request_id, fence, state=RequestState.COMPLETED, response=response))

    async def lease(self, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
        return await self._written(lambda: self._lease(request_id, owner, until_us))

    async def renew(self, held: Collection[tuple[str, int]], owner: str, until_us: int) -> set[str]:
        return await self._written(lambda: {id_ for id_, fence in held if self._renew(id_, fence, owner, until_us)})

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
        return await self._written(
            lambda: self._leave(
                request_id,
                fence,
                state=state,
                outcome=outcome,
                not_before_us=not_before_us,
                uncounted=int(not attempted),
                response=response,
            )
        )

    async def abandon(self, request_id: str, state: RequestState, *, outcome: str) -> bool:
        return await self._written(lambda: self._abandon(request_id, state, outcome))

    async def replay(self, request_id: str) -> StoredRequest | None:
        return await self._written(lambda: self._replay(request_id))

    async def pending(self, namespace: str, agent: str, *, limit: int = 100) -> list[StoredRequest]:
        wanted = (RequestState.PENDING, namespace, agent)
        found = [r for r in self._sorted() if (r.state, r.namespace, r.agent) == wanted]
        return sorted(found, key=lambda r: r.accepted_at_us + r.priority * LEVEL_US)[:limit]

    async def due(
        self, namespace: str, agent: str, *, now_us: int, furthest_us: int, limit: int = 100
    ) -> list[StoredRequest]:
        found = await self.pending(namespace, agent, limit=len(self.requests))
        return [r for r in found if not now_us < r.not_before_us <= furthest_us and not self._blocked(r)][:limit]

    async def waiting(self, namespace: str, agent: str, *, most: int) -> int:
        return len(await self.pending(namespace, agent, limit=most))

    async def expiring(self, *, limit: int = 100) -> list[StoredRequest]:
        found = [r for r in self._sorted() if r.state is RequestState.PENDING and r.deadline_us]
        return sorted(found, key=lambda r: (r.deadline_us, r.id))[:limit]

    async def interrupted(self, *, owner: str, now_us: int, limit: int = 100) -> list[StoredRequest]:
        flying = [r for r in self._sorted() if r.state is RequestState.IN_FLIGHT]
        return [r for r in flying if r.lease_owner == owner or r.lease_until_us < now_us][:limit]

    async def get(self, request_id: str) -> StoredRequest | None:
        return self.requests.get(request_id)

    async def by_key(self, namespace: str, agent: str, agent_id: str, key: str) -> StoredRequest | None:
        wanted = (namespace, agent, agent_id, key)
        return next((r for r in self._sorted() if (r.namespace, r.agent, r.agent_id, r.key) == wanted), None)

    async def backlog(self) -> dict[tuple[str, str], int]:
        return dict(Counter((r.namespace, r.agent) for r in self._sorted() if r.state is RequestState.PENDING))

    async def queues(self) -> dict[tuple[str, str], Queue]:
        found: dict[tuple[str, str], Queue] = {}
        for one in self._sorted():
            if one.state is RequestState.PENDING:
                before = found.get((one.namespace, one.agent), Queue(0, one.accepted_at_us))
                found[one.namespace, one.agent] = Queue(before.requests + 1, before.since_us)
        return found

    async def sizes(self) -> dict[str, int]:
        return {}

    async def counts(self) -> dict[RequestState, int]:
        found = Counter(r.state for r in self._sorted())
        return {state: found[state] for state in RequestState}

    async def put_note(self, name: str, value: bytes) -> None:
        await self._written(lambda: self._notes.__setitem__(name, value))

    async def get_note(self, name: str) -> bytes | None:
        return self._notes.get(name)

    async def notes(self, name: str) -> dict[str, bytes]:
        return {"": self._notes[name]} if name in self._notes else {}

    def sync_seconds(self) -> float:
        return 0.0

    def watch_syncs(self, told: Callable[[float], None]) -> None:
        """Nothing is synced here."""

    async def close(self) -> None:
        self._closed = True

    async def list(
        self, namespace: str, wanted: Wanted = ALL, *, after: str = "", limit: int = 100, newer: str = ""
    ) -> list[StoredRequest]:
        found = [
            _without_bytes(request)
            for request in self._sorted()
            if request.namespace == namespace
            and _fits(request, wanted)
            and (not after or request.id < after)
            and request.id > newer
        ]
        return found[:limit] if newer else found[::-1][:limit]

    async def usage(self) -> dict[tuple[str, str], Usage]:
        found: dict[tuple[str, str], Usage] = {}
        for r in self._sorted():
            old, size, firm = found.get((r.namespace, r.agent), Usage()), _size(r), r.state not in _FREE
            found[r.namespace, r.agent] = Usage(
                old.requests + 1, old.bytes + size, old.firm + firm, old.firm_bytes + size * firm
            )
        return found

    async def finished(self, *, after: str = "", limit: int = 1000) -> Overdue:
        over = [r for r in self._sorted() if r.state in FINISHED and r.id > after][:limit]
        return [Finished(r.id, r.namespace, r.agent, r.state, r.accepted_at_us, _settled_at(r), _size(r)) for r in over]

    async def forget(self, request_ids: Sequence[str]) -> Forgotten:
        return await self._written(lambda: self._forget(request_ids))

    def _forget(self, request_ids: Sequence[str]) -> Forgotten:
        gone = [r for r in map(self.requests.get, request_ids) if r is not None and r.state in FINISHED]
        for request in gone:
            del self.requests[request.id]
        bodies = [body.spool for r in gone for body in (r.body, r.response and r.response.body) if body and body.spool]
        return Forgotten(len(request_ids), len(gone), tuple(bodies))

    def _sorted(self) -> tuple[StoredRequest, ...]:
        return tuple(self.requests[key] for key in sorted(self.requests))

    def _written(self, change: Callable[[], T]) -> asyncio.Future[T]:
        if self._closed:
            raise Unavailable("the journal is closed", operation="use the journal")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._check()
        except StorageFull as error:
            future.set_exception(error)
        else:
            future.set_result(change())
        return future

    def _check(self) -> None:
        if self.full:
            raise StorageFull("no space left for the request journal", operation="use the journal")

    def _become(self, request: StoredRequest) -> StoredRequest:
        """From now on, and whoever wants to hear of it is told."""
        self.requests[request.id] = request
        self.outbox.note(request)
        return request

    def _accept(self, request: StoredRequest) -> Accepted:
        wanted = (request.namespace, request.agent, request.agent_id, request.key)
        for held in self.requests.values():
            if request.key and (held.namespace, held.agent, held.agent_id, held.key) == wanted:
                return Accepted(held.id, held)
        self._become(request)
        return Accepted(request.id)

    def _lease(self, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
        held = self.requests.get(request_id)
        if held is None or held.state is not RequestState.PENDING or self._blocked(held):
            return None
        return self._become(
            replace(
                held,
                state=RequestState.IN_FLIGHT,
                attempts=held.attempts + 1,
                fence=held.fence + 1,
                lease_owner=owner,
                lease_until_us=until_us,
                not_before_us=0,
            )
        )

    def _abandon(self, request_id: str, state: RequestState, outcome: str) -> bool:
        held = self.requests.get(request_id)
        if held is None or held.state is not RequestState.PENDING:
            return False
        self._become(replace(held, state=state, outcome=outcome, not_before_us=0))
        return True

    def _blocked(self, request: StoredRequest) -> bool:
        """Whether another of its lane is in flight, or pending and was accepted before it."""
        lane = (request.namespace, request.agent, request.lane)
        others = [r for r in self.requests.values() if request.lane and (r.namespace, r.agent, r.lane) == lane]
        first = next((r for r in others if r.state is RequestState.PENDING), request)
        return first.id != request.id or any(r.state is RequestState.IN_FLIGHT for r in others)

    def _renew(self, request_id: str, fence: int, owner: str, until_us: int) -> bool:
        held = self.requests.get(request_id)
        mine = (RequestState.IN_FLIGHT, fence, owner)
        if held is None or (held.state, held.fence, held.lease_owner) != mine:
            return False
        self.requests[request_id] = replace(held, lease_until_us=until_us)
        return True

    def _leave(
        self,
        request_id: str,
        fence: int,
        *,
        state: RequestState,
        outcome: str = "",
        not_before_us: int = 0,
        uncounted: int = 0,
        response: StoredResponse | None = None,
    ) -> bool:
        held = self.requests.get(request_id)
        if held is None or held.state is not RequestState.IN_FLIGHT or held.fence != fence:
            return False
        self._become(
            replace(
                held,
                state=state,
                outcome=outcome,
                not_before_us=not_before_us,
                attempts=held.attempts - uncounted,
                lease_owner="",
                lease_until_us=0,
                response=response,
            )
        )
        return True

    def _replay(self, request_id: str) -> StoredRequest | None:
        held = self.requests.get(request_id)
        if held is None or held.state not in FINISHED:
            return None
        return self._become(replace(held, state=RequestState.PENDING, not_before_us=0, outcome="", response=None))


def _fits(request: StoredRequest, wanted: Wanted) -> bool:
    lowest, highest = wanted.statuses()
    asked = (wanted.agent, wanted.state, wanted.method, wanted.key)
    found = (request.agent, request.state, request.method, request.key)
    return (
        all(not one or one == other for one, other in zip(asked, found, strict=True))
        and (not highest or (request.response is not None and lowest <= request.response.status <= highest))
        and wanted.since_us <= request.accepted_at_us < (wanted.until_us or request.accepted_at_us + 1)
    )


def _without_bytes(request: StoredRequest) -> StoredRequest:
    response = request.response
    if response is not None:
        response = replace(response, body=replace(response.body, inline=b""))
    return replace(request, body=replace(request.body, inline=b""), response=response)


def _size(request: StoredRequest) -> int:
    return request.body.size + (request.response.body.size if request.response else 0)


def _settled_at(request: StoredRequest) -> int:
    return max(request.accepted_at_us, request.not_before_us, request.response.at_us if request.response else 0)
