# SPDX-License-Identifier: Apache-2.0
"""Carries requests that hold a lease to their agent, the answer to whoever waits for it, and both into the journal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from homeport.errors import StorageFull
from homeport.gateway.core.access import Key
from homeport.gateway.core.delivery import Verdict, backoff, may_repeat
from homeport.gateway.delivery import Delivery
from homeport.gateway.sockets.agents import AgentPool
from homeport.gateway.tools import Tools
from homeport.model.request import RequestState, StoredRequest, StoredResponse
from homeport.model.route import Route

T = TypeVar("T")
LEASE_S = 3600.0
"""Seconds an agent may take over one request; then the attempt counts as interrupted."""
OWNER = "gateway"
"""The journal has one owner, so that every lease of a former life is ours to judge."""


class Courier:
    def __init__(self, tools: Tools, freed: Callable[[Key], None]) -> None:
        self._tools = tools
        self._freed = freed
        self._busy: dict[Key, int] = {}
        self._pools: dict[tuple[Key, str, str], AgentPool] = {}
        self._refusals: dict[Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.active: dict[str, Delivery] = {}

    def free(self, route: Route) -> int:
        """How many more requests the agent takes at once."""
        return max(0, route.concurrency - self._busy.get((route.namespace, route.agent), 0))

    def take(self, route: Route) -> bool:
        """Reserve one place at the agent; `deliver` gives it back, or `give`."""
        if not self.free(route):
            return False
        key = (route.namespace, route.agent)
        self._busy[key] = self._busy.get(key, 0) + 1
        return True

    def give(self, key: Key) -> None:
        left = self._busy[key] - 1
        if left:
            self._busy[key] = left
        else:
            del self._busy[key]
        self._freed(key)

    async def deliver(self, request: StoredRequest, route: Route) -> Verdict | None:
        """Have it answered. None when it was; else what became of it, and that is in the journal."""
        key = (route.namespace, route.agent)
        repeatable = may_repeat(
            request.method,
            keyed=bool(request.key),
            honours_keys=route.honours_keys,
            delivery=route.delivery,
        )
        delivery = Delivery(request, route, self._pool(route), self._tools, repeatable=repeatable)
        self.active[request.id] = delivery
        try:
            verdict = await delivery.run()
            if verdict is None:
                self._refusals.pop(key, None)
                await self._keep(delivery)
            else:
                await self.release(request, verdict, key)
            return verdict
        finally:
            del self.active[request.id]
            self.give(key)

    async def release(self, request: StoredRequest, verdict: Verdict, key: Key) -> None:
        """Write the verdict down, however full the disk is just now."""
        not_before = 0
        if verdict.state is RequestState.PENDING:
            refusals = 0 if verdict.attempted else self._refusals.get(key, 0)
            if not verdict.attempted:
                self._refusals[key] = refusals + 1
            not_before = self._tools.clock.now_us() + int(backoff(refusals, random.random()) * 1e6)  # noqa: S311
        await _stubbornly(
            lambda: self._tools.journal.release(
                request.id,
                request.fence,
                verdict.state,
                outcome=verdict.outcome,
                not_before_us=not_before,
                attempted=verdict.attempted,
            )
        )
        self._tools.metrics.released(key, verdict.state)
        if verdict.state is not RequestState.PENDING:
            self._tools.waiters.settle(request.id)

    def interrupt(self, route: Route, why: str) -> None:
        """Nobody will answer at this instance any more."""
        for delivery in [d for d in self.active.values() if _same_instance(d.route, route)]:
            delivery.gone(why)
        pool = self._pools.pop(_place(route), None)
        if pool is not None:
            pool.close()

    def interrupt_all(self, why: str) -> None:
        for delivery in list(self.active.values()):
            delivery.gone(why)

    def tick(self, now: float) -> None:
        """End what has held its lease for too long."""
        for delivery in list(self.active.values()):
            if now - delivery.started < LEASE_S:
                return
            delivery.gone(f"no answer within {LEASE_S:.0f} s")

    async def close(self) -> None:
        """Wait for completions under way; end idle connections."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5.0)
            for task in late:
                task.cancel()
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def _pool(self, route: Route) -> AgentPool:
        place = _place(route)
        pool = self._pools.get(place)
        if pool is None:
            pool = self._pools[place] = AgentPool(route.endpoint)
        return pool

    async def _keep(self, delivery: Delivery) -> None:
        """Journal the answer. The client has it already and does not wait for that."""
        request, response = delivery.request, await delivery.response()
        future = self._tools.journal.complete(request.id, request.fence, response)

        def done(future: asyncio.Future[bool]) -> None:
            error = future.exception()
            if error is None:
                self._tools.waiters.settle(request.id)
            else:
                task = asyncio.ensure_future(self._keep_later(request, response, error))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

        future.add_done_callback(done)

    async def _keep_later(self, request: StoredRequest, response: StoredResponse, error: BaseException) -> None:
        if not isinstance(error, StorageFull):
            raise error
        await _stubbornly(lambda: self._tools.journal.complete(request.id, request.fence, response))
        self._tools.waiters.settle(request.id)


async def _stubbornly(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write that must not be given up, until the disk has room for it."""
    failures = 0
    while True:
        try:
            return await write()
        except StorageFull:
            await asyncio.sleep(backoff(failures, random.random()))  # noqa: S311
            failures += 1


def _place(route: Route) -> tuple[Key, str, str]:
    return (route.namespace, route.agent), route.instance, route.endpoint


def _same_instance(one: Route, other: Route) -> bool:
    return (one.namespace, one.agent, one.instance) == (other.namespace, other.agent, other.instance)
