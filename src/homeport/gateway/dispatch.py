# SPDX-License-Identifier: Apache-2.0
"""Sends what is pending to agents that are ready: oldest first, never more at once than the agent takes."""

from __future__ import annotations

import asyncio
import logging

from homeport.errors import HomeportError
from homeport.gateway.core.access import Key, Routes
from homeport.gateway.core.delivery import Verdict
from homeport.gateway.core.retry import expired, furthest
from homeport.gateway.courier import ANSWER_S, Courier
from homeport.gateway.tables import newest_revision
from homeport.gateway.tools import Tools
from homeport.gateway.waking import wait_for
from homeport.model.request import TUNNEL, RequestState, StoredRequest
from homeport.model.route import Route

log = logging.getLogger(__name__)
_NEVER_AGAIN = Verdict(RequestState.FAILED, "a WebSocket is never sent again", attempted=False)
_REMOVED = Verdict(RequestState.DEAD, "the agent was removed before it answered")
_AHEAD = 16
_LOOK_S, _LOOK_SHARED_S = 1.0, 0.25
"""The longest wait while something is pending but not due: of several gateways another may free the lane."""
_PAUSE_S = 1.0
"""After an error of the journal, before it is asked again."""


class Dispatcher:
    """One task per agent that has a backlog, for as long as it has one."""

    def __init__(self, tools: Tools, routes: Routes) -> None:
        self._tools = tools
        self._routes = routes
        self._events: dict[Key, asyncio.Event] = {}
        self._draining: dict[Key, asyncio.Task[None]] = {}
        self._deliveries: set[asyncio.Task[Verdict | None]] = set()
        self._stopped = False
        self.courier = Courier(tools, self._freed, routes)

    def wake(self, key: Key) -> None:
        """Something may be pending for this agent, or it may be ready now."""
        if self._stopped:
            return
        self._events.setdefault(key, asyncio.Event()).set()
        if key not in self._draining:
            task = asyncio.get_running_loop().create_task(self._drain(key))
            self._draining[key] = task

    def start(self, request: StoredRequest, route: Route) -> asyncio.Task[Verdict | None]:
        """Deliver in the background a request that holds a lease and a place."""
        task = asyncio.get_running_loop().create_task(self._deliver(request, route))
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)
        return task

    async def _deliver(self, request: StoredRequest, route: Route) -> Verdict | None:
        try:
            verdict = await self.courier.deliver(request, route)
        except HomeportError as error:
            # The lease stays; whoever finds it overdue judges it, or our next life.
            log.error("request %s is left in flight: %s", request.id, error.message)
            return None
        if verdict is not None and verdict.state is RequestState.PENDING:
            self.wake((request.namespace, request.agent))
        return verdict

    async def wake_all(self) -> None:
        """Look at every agent with a backlog; the requests of removed agents become dead letters."""
        for key in await self._tools.journal.backlog():
            if key in self._routes.by_key:
                self.wake(key)
            elif await self.may_judge(key):
                await self._bury(key)

    async def recover(self) -> None:
        """Judge what our former life had in flight. Call it before anything is accepted."""
        now_us = 0 if self._tools.journal.shared else self._tools.clock.now_us()
        while found := await self._tools.journal.interrupted(owner=self._tools.owner, now_us=now_us):
            for request in found:
                await self.judge(request, "the gateway was restarted while it was in flight")

    async def may_judge(self, key: Key) -> bool:
        """Whether we know what there is to know of this agent: its route, or that there is none any more.

        Without a table nobody knows the latter, and of several gateways only the one with the newest does.
        """
        if key in self._routes.by_key:
            return True
        if not self._tools.journal.shared:
            return self._routes.revision >= 0
        return self._routes.certain and self._routes.revision >= await newest_revision(self._tools.journal)

    async def judge(self, request: StoredRequest, why: str) -> None:
        key = (request.namespace, request.agent)
        await self.courier.release(request, self._routes.verdict_on(request, why), key)

    @property
    def busy(self) -> bool:
        """Something that was taken from the journal is not at its end."""
        return bool(self._draining or self._deliveries)

    def hold(self) -> None:
        """Take nothing more from the journal: what waits there waits for our next life, or another gateway."""
        self._stopped = True
        for event in self._events.values():
            event.set()

    async def stop(self) -> None:
        """`hold`, and wait for what was started."""
        self.hold()
        # Not cancelled at once: a lease that is being written down would belong to nobody.
        for tasks in (self._draining.values(), self._deliveries):
            if tasks:
                _, late = await asyncio.wait([*tasks], timeout=5.0)
                for task in late:
                    task.cancel()

    def _freed(self, key: Key) -> None:
        event = self._events.get(key)
        if event is not None:
            event.set()

    async def _drain(self, key: Key) -> None:
        event = self._events[key]
        try:
            while not self._stopped and ((route := self._routes.by_key.get(key)) is None or route.ready):
                event.clear()
                try:
                    if route is not None:
                        left, wait = await self._send_due(key, route)
                    elif await self.may_judge(key):
                        left, wait = await self._bury(key)
                    else:
                        return
                except HomeportError as error:
                    log.warning("cannot dispatch to %s/%s: %s", *key, error.message)
                    left, wait = True, _PAUSE_S
                if not left and not event.is_set():
                    return
                if wait:
                    await wait_for(event, wait)
        finally:
            del self._draining[key]
            if self._routes.ready(key) and event.is_set():
                self.wake(key)
            elif not self._stopped:
                self._events.pop(key, None)

    async def _send_due(self, key: Key, route: Route) -> tuple[bool, float]:
        """Start what is due. Returns whether more may be pending, and for how many seconds to wait for an event."""
        free = self.courier.free(route)
        if not free:
            return True, self.courier.rest(key) or ANSWER_S
        now_us = self._tools.clock.now_us()
        # Further away than any wait goes: the clock was set back since, and nobody waits for it to catch up.
        furthest_us = now_us + int(furthest(route.policy.retry) * 1e6)
        due = await self._tools.journal.due(*key, now_us=now_us, furthest_us=furthest_us, limit=free)
        if due and self._stopped:
            return False, 0.0
        late, taken = [], []
        for request in due:
            if 0 < request.deadline_us <= now_us:
                late.append(request)
            elif self.courier.take(route):
                taken.append(request)
        # All at once, so that they share commits. Of a lane only the first is due.
        started = await asyncio.gather(
            *(self._start_one(request, route, now_us) for request in taken),
            *(self.courier.abandon(request, expired(request)) for request in late),
            return_exceptions=True,
        )
        for error in started:
            if error is not None:
                raise error
        if len(taken) + len(late) < len(due):
            return True, self.courier.rest(key) or ANSWER_S
        return (True, 0.0) if due else await self._look_ahead(key, now_us)

    async def _start_one(self, request: StoredRequest, route: Route, now_us: int) -> None:
        """Lease it and start it, on a place that was taken for it."""
        key = (route.namespace, route.agent)
        leased = None
        try:
            leased = await self._tools.journal.lease(request.id, self._tools.owner, self._tools.lease_until())
        finally:
            if leased is None:
                self.courier.give(key)
        if leased is None:
            return
        if leased.method == TUNNEL:
            self.courier.give(key)
            await self.courier.release(leased, _NEVER_AGAIN, key)
        elif leased.agent_id in ("", route.agent_id):
            if leased.attempts == 1:
                self._tools.metrics.waited(key, (now_us - leased.accepted_at_us) / 1e6)
            self.start(leased, route)
        else:
            self.courier.give(key)
            await self.courier.release(leased, _REMOVED, key)

    async def _look_ahead(self, key: Key, now_us: int) -> tuple[bool, float]:
        """Nothing is due. Returns as `_send_due`: until the next time, or until a lane may be free."""
        waiting = await self._tools.journal.pending(*key, limit=_AHEAD)
        if not waiting:
            return False, 0.0
        wait = _LOOK_SHARED_S if self._tools.journal.shared else _LOOK_S
        later = [request.not_before_us for request in waiting if request.not_before_us > now_us]
        return True, min([wait, *(max(0.001, (at - now_us) / 1e6) for at in later)])

    async def _bury(self, key: Key) -> tuple[bool, float]:
        """The requests of an agent that is gone become dead letters. Returns as `_send_due`: nothing is left."""
        while found := await self._tools.journal.pending(*key):
            if key in self._routes.by_key:  # there is one of that name again
                return True, 0.0
            await asyncio.gather(*(self.courier.abandon(request, _REMOVED) for request in found))
        return False, 0.0
