# SPDX-License-Identifier: Apache-2.0
"""Carries requests that hold a lease to their agent, the answer to whoever waits for it, and both into the journal."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol, TypeVar

from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.gateway.core.access import Key, Routes
from homeport.gateway.core.circuit import Circuit
from homeport.gateway.core.delivery import Verdict, backoff, may_repeat
from homeport.gateway.core.retry import DEADLINE, or_given_up, wait_before
from homeport.gateway.delivery import Delivery
from homeport.gateway.sockets.agents import AgentPool
from homeport.gateway.tools import Tools
from homeport.model.request import RequestState, StoredRequest, StoredResponse
from homeport.model.route import Route
from homeport.model.workload import USUAL_POLICY, RetryPolicy

log = logging.getLogger(__name__)
T = TypeVar("T")
ANSWER_S = 3600.0
"""Seconds an agent may take over one request; then the attempt counts as interrupted."""
TELL_S = 30.0
"""Between two warnings that writes have to wait."""
_PASSING = (StorageFull, Unavailable)


class Active(Protocol):
    """What is under way to an agent: a delivery, or a WebSocket."""

    request: StoredRequest
    route: Route
    started: float

    def gone(self, why: str) -> None: ...

    def tick(self, now: float) -> None: ...


class Courier:
    def __init__(self, tools: Tools, freed: Callable[[Key], None], routes: Routes) -> None:
        self._tools = tools
        self._routes = routes
        self._freed = freed
        self._busy: dict[Key, int] = {}
        self._pools: dict[tuple[Key, str, str], AgentPool] = {}
        self._refusals: dict[Key, int] = {}
        self._circuits: dict[Key, Circuit] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.active: dict[str, Active] = {}

    def free(self, route: Route) -> int:
        """How many more requests the agent takes at once."""
        key = (route.namespace, route.agent)
        busy = self._busy.get(key, 0)
        free = max(0, (1 if route.policy.ordered else route.concurrency) - busy)
        circuit = self._circuits.get(key)
        return free if circuit is None else circuit.places(time.monotonic(), free)

    def broken(self, key: Key) -> bool:
        """Whether its instance has refused so often that it is only tried now and then."""
        circuit = self._circuits.get(key)
        return circuit is not None and circuit.open

    def rest(self, key: Key) -> float:
        """Seconds until a broken one is tried again; 0 where it is not broken, or may be tried now."""
        circuit = self._circuits.get(key)
        return circuit.wait(time.monotonic()) if circuit is not None else 0.0

    def circuits(self) -> list[Key]:
        return [key for key in self._circuits if self.broken(key)]

    def take(self, route: Route) -> bool:
        """Reserve one place at the agent; `deliver` gives it back, or `give`."""
        if not self.free(route):
            return False
        key = (route.namespace, route.agent)
        self._busy[key] = self._busy.get(key, 0) + 1
        circuit = self._circuits.get(key)
        if circuit is not None:
            circuit.taken(time.monotonic())
        return True

    def give(self, key: Key) -> None:
        left = self._busy[key] - 1
        if left:
            self._busy[key] = left
        else:
            del self._busy[key]
        self._freed(key)

    async def deliver(self, request: StoredRequest, route: Route) -> Verdict | None:
        """Have it answered. None when it was, or when it is not ours any more; else what became of it, and that is in
        the journal."""
        if not self.surely_ours(request):
            ours = False
            try:
                ours = await self._still_ours(request)
            finally:
                if not ours:
                    self.give((route.namespace, route.agent))
            if not ours:
                return None
        return await self.carry_on(self.begin(request, route))

    def begin(self, request: StoredRequest, route: Route) -> Delivery:
        """From now on it is active, until `end`."""
        key = (route.namespace, route.agent)
        repeatable = may_repeat(
            request.method,
            keyed=bool(request.key),
            honours_keys=route.honours_keys,
            delivery=route.delivery,
        )
        delivery = Delivery(request, route, self.pool(route), self._tools, repeatable=repeatable)
        self.active[request.id] = delivery
        if key in self._circuits:
            delivery.reached = lambda: self._closed(key)
        return delivery

    def end(self, delivery: Delivery) -> None:
        self.active.pop(delivery.request.id, None)
        self.give((delivery.route.namespace, delivery.route.agent))

    async def carry_on(self, delivery: Delivery) -> Verdict | None:
        """From wherever it is to its end. Returns as `deliver`."""
        request, key = delivery.request, (delivery.route.namespace, delivery.route.agent)
        timer: asyncio.TimerHandle | None = None
        try:
            if request.deadline_us:
                left = (request.deadline_us - self._tools.clock.now_us()) / 1e6
                timer = asyncio.get_running_loop().call_later(max(0.0, left), delivery.gone, DEADLINE)
            verdict = await delivery.run()
            if verdict is None or verdict.after is not None:
                self._refusals.pop(key, None)
            if verdict is None:
                await self._keep(delivery)
                return None
            if not verdict.attempted and verdict.state is RequestState.PENDING:
                self._circuits.setdefault(key, Circuit()).failed(time.monotonic())
            return await self.release(request, verdict, key)
        finally:
            if timer is not None:
                timer.cancel()
            self.end(delivery)

    async def release(self, request: StoredRequest, verdict: Verdict, key: Key) -> Verdict:
        """Write the verdict down, however full the disk is just now; returns what it came to: there may be no next
        attempt."""
        not_before = 0
        if verdict.state is RequestState.PENDING:
            route = self._routes.by_key.get(key)
            retry = route.policy.retry if route else USUAL_POLICY.retry
            not_before = self._tools.clock.now_us() + int(self._wait(request, verdict, key, retry) * 1e6)
            verdict = or_given_up(request, verdict, retry, next_us=not_before)
        await _stubbornly(
            lambda: self._tools.journal.release(
                request.id,
                request.fence,
                verdict.state,
                outcome=verdict.outcome,
                not_before_us=not_before if verdict.state is RequestState.PENDING else self._tools.clock.now_us(),
                attempted=verdict.attempted,
            )
        )
        self._tools.live.pop(request.id, None)
        self._tools.metrics.released(key, verdict.state)
        if verdict.state is not RequestState.PENDING:
            self._tools.waiters.settle(request.id)
        return verdict

    async def abandon(self, request: StoredRequest, verdict: Verdict) -> None:
        """Give up one that waits."""
        if await self._tools.journal.abandon(request.id, verdict.state, outcome=verdict.outcome):
            key = (request.namespace, request.agent)
            self._tools.metrics.released(key, verdict.state)
            self._tools.waiters.settle(request.id)
            if request.lane:
                self._freed(key)

    def _closed(self, key: Key) -> None:
        """Its instance took a connection."""
        if self._circuits.pop(key, None) is not None:
            self._freed(key)

    def _wait(self, request: StoredRequest, verdict: Verdict, key: Key, retry: RetryPolicy) -> float:
        """Seconds until the next attempt."""
        if verdict.after is not None:
            return verdict.after
        failures = request.attempts - 1
        if not verdict.attempted:
            failures = self._refusals.get(key, 0)
            self._refusals[key] = failures + 1
        return wait_before(retry, max(0, failures), random.random())  # noqa: S311

    async def conclude(self, request: StoredRequest, response: StoredResponse) -> None:
        """Write an answer down that its client has, however full the disk is just now."""
        kept = await _stubbornly(lambda: self._tools.journal.complete(request.id, request.fence, response))
        self._tools.metrics.ended((request.namespace, request.agent), RequestState.COMPLETED, response.status)
        self._settled(request, in_time=kept)

    def interrupt(self, route: Route, why: str) -> None:
        """Nobody will answer at this instance any more."""
        self._circuits.pop((route.namespace, route.agent), None)
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
            delivery.tick(now)
            if now - delivery.started >= ANSWER_S:
                delivery.gone(f"no answer within {ANSWER_S:.0f} s")

    async def close(self) -> None:
        """Wait for completions under way; end idle connections."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=5.0)
            for task in late:
                task.cancel()
        for pool in self._pools.values():
            pool.close()
        self._pools.clear()

    def pool(self, route: Route) -> AgentPool:
        """The connections to this instance."""
        place = _place(route)
        pool = self._pools.get(place)
        if pool is None:
            pool = self._pools[place] = AgentPool(route.endpoint)
        return pool

    def surely_ours(self, request: StoredRequest) -> bool:
        """Whether its lease is so young that nobody else may have it: a shared journal may have taken long to tell."""
        if not self._tools.journal.shared:
            return True
        return request.lease_until_us - self._tools.clock.now_us() > self._tools.lease_s * 5e5

    async def _still_ours(self, request: StoredRequest) -> bool:
        """The same where it is not so sure: after asking the journal."""
        held, owner = [(request.id, request.fence)], self._tools.owner
        kept = await _stubbornly(lambda: self._tools.journal.renew(held, owner, self._tools.lease_until()), _PASSING)
        return request.id in kept

    async def _keep(self, delivery: Delivery) -> None:
        """Journal the answer. The client has it already and does not wait for that."""
        try:
            response = await delivery.response()
        except Unavailable:
            self._later(self._keep_later(delivery))
            return
        self.keep(delivery, response)

    def keep(self, delivery: Delivery, response: StoredResponse) -> None:
        """As `_keep`, of an answer that is at hand."""
        self._refusals.pop((delivery.route.namespace, delivery.route.agent), None)
        future = self._write(delivery, response)
        future.add_done_callback(lambda done: self._kept(delivery, done))

    def _write(self, delivery: Delivery, response: StoredResponse) -> asyncio.Future[bool]:
        """The answer as what it is: the end, or the last of those that were not."""
        request, verdict = delivery.request, delivery.given_up
        if verdict is None:
            return self._tools.journal.complete(request.id, request.fence, response)
        return asyncio.ensure_future(
            self._tools.journal.release(
                request.id, request.fence, verdict.state, outcome=verdict.outcome, response=response
            )
        )

    def _kept(self, delivery: Delivery, done: asyncio.Future[bool]) -> None:
        error = done.exception()
        if delivery.unkept:
            self._tools.live.pop(delivery.request.id, None)
            self._tools.waiters.settle(delivery.request.id)
        elif error is None:
            self._settled(delivery.request, in_time=done.result())
        elif isinstance(error, StorageFull):
            self._later(self._keep_later(delivery))
        else:
            self._tools.live.pop(delivery.request.id, None)
            log.error("the answer to request %s is not in the journal: %s", delivery.request.id, error)

    async def _keep_later(self, delivery: Delivery) -> None:
        request = delivery.request
        try:
            response = await _stubbornly(delivery.response, _PASSING)
            kept = await _stubbornly(lambda: self._write(delivery, response))
        except HomeportError as error:
            self._tools.live.pop(request.id, None)
            log.error("the answer to request %s is not in the journal: %s", request.id, error.message)
        else:
            self._settled(request, in_time=kept)

    def _settled(self, request: StoredRequest, *, in_time: bool) -> None:
        self._tools.live.pop(request.id, None)
        if not in_time:
            log.warning("the answer to request %s came when its lease was over", request.id)
        self._tools.waiters.settle(request.id)
        if request.lane:
            self._freed((request.namespace, request.agent))

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _stubbornly(
    write: Callable[[], Awaitable[T]], passing: tuple[type[HomeportError], ...] = (StorageFull,)
) -> T:
    """Repeat a write that must not be given up, until the disk has room for it, or the journal is back."""
    failures = 0
    while True:
        try:
            return await write()
        except passing as error:
            if not failures:
                tell(error)
            await asyncio.sleep(backoff(failures, random.random()))  # noqa: S311
            failures += 1


_told_at = -60.0


def tell(error: HomeportError) -> None:
    """At most once in a while: there may be as many of them as there are requests."""
    global _told_at
    if time.monotonic() - _told_at > TELL_S:
        _told_at = time.monotonic()
        log.warning("what must be written down waits and is tried again: %s", error.message)


def _place(route: Route) -> tuple[Key, str, str]:
    return (route.namespace, route.agent), route.instance, route.endpoint


def _same_instance(one: Route, other: Route) -> bool:
    return (one.namespace, one.agent, one.instance) == (other.namespace, other.agent, other.instance)
