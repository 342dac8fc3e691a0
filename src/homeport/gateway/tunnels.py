# SPDX-License-Identifier: Apache-2.0
"""WebSockets: the handshake is a request in the journal, never sent twice; what follows passes unread."""

from __future__ import annotations

import asyncio
import math

from homeport.errors import HomeportError
from homeport.gateway.core.access import Caller, Key, Refusal, Routes
from homeport.gateway.core.delivery import Sent, Verdict
from homeport.gateway.core.frames import GOING_AWAY
from homeport.gateway.core.message import ResponseHead, forwarded, relayed
from homeport.gateway.core.write import request_head, switching_head
from homeport.gateway.courier import Courier
from homeport.gateway.incoming import Incoming, refusal_of, refuse
from homeport.gateway.sealing import of_request, of_response
from homeport.gateway.sockets.agents import AgentConnection
from homeport.gateway.sockets.tunnel import Ending, Tunnel
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.model.request import TUNNEL, Body, Headers, RequestState, StoredRequest, StoredResponse
from homeport.model.route import Route

MOST = 1024
"""Tunnels to one agent at once; they take no place among its requests."""
HANDSHAKE_S = 30.0
KEPT = 64 * 1024
"""Bytes of an agent's answer that is no 101 that the journal keeps."""
_UPGRADE: Headers = ((b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"))


class Crossing:
    """One WebSocket from handshake to end; also who hears the agent's answer to the handshake."""

    def __init__(self, request: StoredRequest, route: Route, caller: Caller, reply: Reply) -> None:
        self.request = request
        self.route = route
        self.caller = caller
        self.started = math.inf  # no deadline: it is quiet for too long, or it is not
        self.tunnel: Tunnel | None = None
        self.head: ResponseHead | None = None
        self.body = b""
        self._size = 0
        self._reply = reply
        self._connection: AgentConnection | None = None
        self._answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """"" when there is an answer to the handshake, else why there is none."""

    async def shake(self, connection: AgentConnection, head: bytes) -> str:
        """Have the handshake answered; "" or why it was not."""
        if self._answered.done():  # told to end while the connection was made
            connection.abort()
            return self._answered.result()
        self._connection = connection
        connection.start(self, "GET", upgrade=True)
        connection.write(head)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                return await self._answered
        except TimeoutError:
            connection.abort()
            return f"the agent did not answer the handshake within {HANDSHAKE_S:.0f} s"

    def stored(self, at_us: int) -> StoredResponse:
        assert self.head is not None
        kept = self.body if self._size == len(self.body) else b""
        return StoredResponse(self.head.status, self.head.reason, self.head.headers, Body(kept, "", self._size), at_us)

    def gone(self, why: str) -> None:
        """Nobody is there any more: the client sees a reset, never an end in order."""
        if self.tunnel is not None:
            self.tunnel.cut(why)
        elif not self._answered.done():
            if self._connection is not None:
                self._connection.abort()
            if self._reply.begun:
                self._reply.cut()
            self._answered.set_result(why)

    def leave(self, code: int, why: str) -> None:
        if self.tunnel is not None:
            self.tunnel.leave(code, why)
        else:
            self.gone(why)

    def answering(self, head: ResponseHead) -> None:
        self.head = ResponseHead(head.status, head.reason, relayed(head.headers), head.length)
        if head.status != 101:
            if self._reply.open:
                self._reply.begin(self.head, self.request.id, self)
            return
        assert self._connection is not None
        if self._reply.open:
            client = self._reply.switch(switching_head(self.head, self.request.id))
            self.tunnel = Tunnel(client, self._connection.hand_over())
            self._answer("")
        else:
            self._connection.abort()
            self._answer("the client left during the handshake")

    def answer(self, data: bytes) -> None:
        if self._reply.begun:
            self._reply.data(data)
        self._size += len(data)
        if len(self.body) + len(data) <= KEPT:
            self.body += data

    def heard(self) -> None:
        if self._reply.begun:
            self._reply.flush()

    def ended(self) -> None:
        if self._reply.begun:
            self._reply.end()
        self._answer("")

    def lost(self, why: str, sent: Sent, *, stale: bool) -> None:
        if self._reply.begun:
            self._reply.cut()
        self._answer(why)

    def tick(self, now: float) -> None:
        if self.tunnel is not None:
            self.tunnel.tick(now)

    def pause(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    def _answer(self, why: str) -> None:
        if not self._answered.done():
            self._answered.set_result(why)


class Tunnels:
    def __init__(self, tools: Tools, routes: Routes, courier: Courier) -> None:
        self._tools = tools
        self._routes = routes
        self._courier = courier
        self._open: dict[Key, set[Crossing]] = {}
        self._draining = False

    async def serve(self, incoming: Incoming, reply: Reply, route: Route, caller: Caller) -> None:
        """Returns when the tunnel is closed and that is in the journal, or the handshake is refused."""
        key = (route.namespace, route.agent)
        refusal = self._refusal(route, len(self._open.get(key, ())))
        if refusal is not None:
            refuse(reply, refusal)
            return
        crossings = self._open.setdefault(key, set())
        request = self._record(incoming, route)
        crossing = Crossing(request, route, caller, reply)
        crossings.add(crossing)
        try:
            await self._tools.journal.accept(request)
            self._courier.active[request.id] = crossing
            await self._cross(crossing, reply)
        except HomeportError as error:
            refuse(reply, refusal_of(error))
        finally:
            self._courier.active.pop(request.id, None)
            crossings.discard(crossing)
            if not crossings and self._open.get(key) is crossings:
                del self._open[key]

    def tick(self) -> None:
        """Once a second: end those whose caller may not be there any more."""
        now_us = self._tools.clock.now_us()
        for key, crossings in list(self._open.items()):
            for crossing in list(crossings):
                if not self._routes.still(crossing.caller, key[1], now_us):
                    crossing.gone("the token is not valid any more")

    def drain(self) -> None:
        """Take no new ones; those there are told to go elsewhere, by a Close frame between two others."""
        self._draining = True
        for crossings in list(self._open.values()):
            for crossing in list(crossings):
                crossing.leave(GOING_AWAY, "the gateway stops")

    def _refusal(self, route: Route, count: int) -> Refusal | None:
        if self._draining:
            return Refusal(503, "Unavailable", "the gateway stops", "try again in a few seconds")
        if not route.ready:
            why = route.reason or "the agent is not ready"
            return Refusal(503, "Unavailable", f"no WebSocket now: {why}", "try again in a few seconds")
        if count >= MOST:
            return Refusal(503, "NoCapacity", f"{MOST} WebSockets to this agent are open", "close some of them")
        return None

    def _record(self, incoming: Incoming, route: Route) -> StoredRequest:
        headers = forwarded(incoming.head, peer=incoming.peer, prefix=f"/agent/{incoming.name}")
        return StoredRequest(
            id=incoming.id,
            namespace=route.namespace,
            agent=route.agent,
            agent_id=route.agent_id,
            method=TUNNEL,
            target=self._tools.sealing.seal_target(incoming.rest),
            headers=self._tools.sealing.seal(headers, of_request(incoming.id)),
            body=Body(),
            state=RequestState.IN_FLIGHT,
            accepted_at_us=self._tools.clock.now_us(),
            attempts=1,
            fence=1,
            lease_owner=self._tools.owner,
            lease_until_us=self._tools.lease_until(),
            hooks=self._routes.hears_now((route.namespace, route.agent), incoming.terms.webhook),
        )

    async def _cross(self, crossing: Crossing, reply: Reply) -> None:
        request, key = crossing.request, (crossing.request.namespace, crossing.request.agent)
        why, ending = await self._shake(crossing), Ending(True)
        if crossing.tunnel is not None:
            self._tools.metrics.tunnel_opened(key)
            ending = await crossing.tunnel.finished
            self._tools.metrics.tunnel_ended(key, *crossing.tunnel.passed)
            reply.end()
        elif why:
            refuse(reply, Refusal(502, "Unavailable", f"no WebSocket: {why}"))
            ending = Ending(False, why)
        if ending.whole:
            response = crossing.stored(self._tools.clock.now_us())
            sealed = self._tools.sealing.seal(response.headers, of_response(request.id))
            body = self._tools.spool.sealed(response.body, of_response(request.id))
            response = StoredResponse(response.status, response.reason, sealed, body, response.at_us)
            await self._courier.conclude(request, response)
        else:
            verdict = Verdict(RequestState.FAILED, f"the WebSocket was cut: {ending.why}")
            await self._courier.release(request, verdict, key)

    async def _shake(self, crossing: Crossing) -> str:
        request, route = crossing.request, crossing.route
        now = self._routes.by_key.get((route.namespace, route.agent))
        if now is None or not now.ready or now.instance != route.instance:
            return "the agent stopped being ready"
        try:
            headers = (*await self._tools.sealing.unseal(request.headers, of_request(request.id)), *_UPGRADE)
            target = self._tools.sealing.unseal_target(request.target)
            connection = await self._courier.pool(route).fresh()
        except HomeportError as error:
            return error.message
        return await crossing.shake(connection, request_head("GET", target, headers, 0, request.id, request.fence))
