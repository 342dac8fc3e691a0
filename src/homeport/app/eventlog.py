# SPDX-License-Identifier: Apache-2.0
"""Events: written to the store, streamed from it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.store import Store
from homeport.model.event import Event


class EventLog:
    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self._store, self._clock, self._ids = store, clock, ids

    async def append(
        self,
        namespace: str,
        type: str,
        subject: str,
        message: str = "",
        data: dict[str, str | int | float | bool | None] | None = None,
    ) -> Event:
        """Durable on return."""
        event = Event(
            id=self._ids.new("evt"),
            at_us=self._clock.now_us(),
            namespace=namespace,
            type=type,
            subject=subject,
            message=message,
            data=data or {},
        )
        await self._store.put(event, namespace=namespace, key=event.id, expected=0)
        return event

    async def stream(
        self, namespace: str, *, after: str = "", follow: bool = False, subject: str = "", limit: int = 1000
    ) -> AsyncIterator[Event]:
        """Oldest first. Without `after`, the last `limit` ones; with it, all that came later."""
        seen = 0
        async for stored in self._kept(namespace, after, limit):
            seen = max(seen, stored[1])
            if not subject or stored[0].subject == subject:
                yield stored[0]
        if not follow:
            return
        async for change in self._store.watch(Event, namespace, after=seen):
            event = change.record
            if event is not None and event.id > after and (not subject or event.subject == subject):
                yield event

    async def _kept(self, namespace: str, after: str, limit: int) -> AsyncIterator[tuple[Event, int]]:
        if not after:
            # Keys are ULIDs, so the tail is found by reading pages forward; retention keeps their number small.
            tail: deque[tuple[Event, int]] = deque(maxlen=limit)
            async for item in self._pages(namespace, ""):
                tail.append(item)
            for item in tail:
                yield item
            return
        async for item in self._pages(namespace, after):
            yield item

    async def _pages(self, namespace: str, after: str) -> AsyncIterator[tuple[Event, int]]:
        while page := await self._store.list(Event, namespace, after=after, limit=500):
            for stored in page:
                yield stored.record, stored.revision
            after = page[-1].key
