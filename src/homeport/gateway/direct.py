# SPDX-License-Identifier: Apache-2.0
"""The short way of a request: accepted, synced, sent over a connection that is there, answered.

It is done in callbacks, without a task: the journal calls when the request is on disk, the agent's connection when the
answer has come. Whatever goes another way than that is handed over, as it is then, to the coroutines of `exchange` and
`courier`, which know every case.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Protocol

from homeport.errors import HomeportError
from homeport.gateway.core.access import Refusal, Routes
from homeport.gateway.core.delivery import Verdict
from homeport.gateway.courier import Courier, tell
from homeport.gateway.delivery import Delivery
from homeport.gateway.incoming import Incoming, refusal_of
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.interfaces.journal import Accepted
from homeport.model.request import Body, StoredRequest
from homeport.model.route import Route

Rest = Coroutine[None, None, None]
Done = Callable[[Rest | None], None]
"""Called once: with None when the reply has ended, else with what is still to be waited for until it has."""


class Ways(Protocol):
    """What `exchange` has for those that leave the short way."""

    tools: Tools
    routes: Routes
    courier: Courier

    async def accepted(
        self,
        accepted: Accepted,
        request: StoredRequest,
        incoming: Incoming,
        reply: Reply,
        route: Route,
        *,
        direct: bool,
    ) -> None: ...

    async def concluded(self, request: StoredRequest, reply: Reply, route: Route, verdict: Verdict | None) -> None: ...

    async def refused(
        self, refusal: Refusal, incoming: Incoming, reply: Reply, route: Route, body: Body, *, direct: bool
    ) -> None: ...


class Direct:
    """Of a request that has its first lease and a place at its agent. `head` is what the agent gets before the body."""

    __slots__ = ("_delivery", "_done", "_head", "_incoming", "_reply", "_request", "_route", "_started", "_ways")

    def __init__(
        self,
        ways: Ways,
        incoming: Incoming,
        request: StoredRequest,
        route: Route,
        reply: Reply,
        head: bytes,
        done: Done,
    ) -> None:
        self._ways, self._incoming, self._request, self._route = ways, incoming, request, route
        self._reply, self._head, self._done = reply, head, done
        self._started = time.perf_counter()
        self._delivery: Delivery | None = None

    def accepted(self, future: asyncio.Future[Accepted]) -> None:
        """The journal has it on disk, or says why not."""
        ways, request = self._ways, self._request
        now = ways.routes.by_key.get((request.namespace, request.agent))
        fit = now is not None and now.ready and now.agent_id == request.agent_id
        stored = not future.cancelled() and not future.exception() and not future.result().existing
        if now is None or not fit or not stored or not ways.courier.surely_ours(request):
            self._hand_over(self._not_sent(future))
        else:
            self.send(now)

    def stored(self, future: asyncio.Future[Accepted]) -> None:
        """The same, of one that was sent before: where it is not kept, its answer is not either."""
        if self._delivery is None or future.cancelled():
            return
        error = future.exception()
        if isinstance(error, HomeportError):
            self._delivery.unkept = True
            self._ways.tools.readiness.doubt()
            tell(error)

    def send(self, now: Route) -> None:
        ways, request = self._ways, self._request
        ways.tools.metrics.accepted((request.namespace, request.agent), direct=True)
        ways.tools.waiters.offer(request.id, self._reply)
        self._delivery = delivery = ways.courier.begin(request, now)
        if not delivery.send(self._head, self._ended):
            self._hand_over(self._carry_on(delivery))

    def _ended(self, again: bool) -> None:
        """The agent has answered, or not."""
        delivery, ways = self._delivery, self._ways
        assert delivery is not None
        response = None if again or delivery.verdict is not None else delivery.at_hand()
        if response is None:
            self._hand_over(self._carry_on(delivery))
            return
        ways.tools.waiters.withdraw(self._request.id)
        ways.courier.end(delivery)
        rest: Rest | None = None
        try:
            ways.courier.keep(delivery, response)
        except HomeportError as error:
            rest = _fail(error)
        ways.tools.metrics.took(time.perf_counter() - self._started)
        self._done(rest)

    def _hand_over(self, rest: Rest) -> None:
        self._done(self._timed(rest))

    async def _timed(self, rest: Rest) -> None:
        await rest
        self._ways.tools.metrics.took(time.perf_counter() - self._started)

    async def _not_sent(self, future: asyncio.Future[Accepted]) -> None:
        ways, request = self._ways, self._request
        try:
            accepted = future.result()
        except HomeportError as error:
            ways.tools.readiness.doubt()
            refusal = refusal_of(error)
            await ways.refused(refusal, self._incoming, self._reply, self._route, request.body, direct=True)
            return
        await ways.accepted(accepted, request, self._incoming, self._reply, self._route, direct=True)

    async def _carry_on(self, delivery: Delivery) -> None:
        try:
            verdict = await self._ways.courier.carry_on(delivery)
            await self._ways.concluded(self._request, self._reply, self._route, verdict)
        finally:
            self._ways.tools.waiters.withdraw(self._request.id)


async def _fail(error: HomeportError) -> None:
    raise error
