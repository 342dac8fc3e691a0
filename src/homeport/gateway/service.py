# SPDX-License-Identifier: Apache-2.0
"""The gateway as a whole: its parts, its beginning, its end."""

from __future__ import annotations

import asyncio
import socket
import time

from homeport.gateway.answers import Answers
from homeport.gateway.control import Control
from homeport.gateway.core.access import Refusal, Routes, split_target
from homeport.gateway.core.message import RequestHead
from homeport.gateway.core.terms import read_terms
from homeport.gateway.courier import ANSWER_S
from homeport.gateway.deadlines import Deadlines
from homeport.gateway.direct import Done
from homeport.gateway.dispatch import Dispatcher
from homeport.gateway.exchange import Exchange
from homeport.gateway.incoming import PROBES, Incoming, refuse
from homeport.gateway.keeping import Keeping
from homeport.gateway.readiness import Readiness
from homeport.gateway.sealing import Keys, Sealing
from homeport.gateway.sockets.clients import QUIET_S, ClientConnection
from homeport.gateway.sockets.doors import Doors
from homeport.gateway.spool import Spool
from homeport.gateway.streams import Streams
from homeport.gateway.tenure import Tenure
from homeport.gateway.tools import Tools
from homeport.gateway.tunnels import Tunnels
from homeport.gateway.waiting import Reply
from homeport.gateway.webhooks.addresses import Border
from homeport.gateway.webhooks.desk import Desk
from homeport.gateway.webhooks.post import Poster
from homeport.gateway.webhooks.sender import Sender
from homeport.interfaces.clock import Clock, Ids
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Sealer
from homeport.model.kept import Retention

KEEP = Retention()
OWNER = "gateway"
"""Of a journal that is ours alone, so that every lease of a former life is ours to judge."""
LEASE_S = 15.0
"""Seconds after which others may take over what a gateway has in flight that does not renew it any more."""
GRACE_S = 10.0
"""Seconds that requests in flight have to end when the gateway does."""
NOTICE_S = 1.0
"""Seconds before that in which clients that keep connections open learn that these end."""
JUDGE_S = 5.0
"""Seconds to write down what became of those that did not; on a full disk our next life judges them instead."""

_NOWHERE = Refusal(404, "NotFound", "nothing is here", "call /agent/NAME/... or /requests/ID")


class Gateway:
    """`start`, serve, `stop`. The journal is the caller's: it is closed after `stop`."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        ids: Ids,
        sealer: Sealer,
        spool: Spool,
        owner: str = OWNER,
        lease_s: float = LEASE_S,
        retention: Retention = KEEP,
        connections: int = 0,
        keys: Keys | None = None,
        poster: Poster | None = None,
    ) -> None:
        """`owner` is this gateway's name among those on the journal. A journal of our own needs no short leases.

        `connections`: how many there may be from clients; 0: as many as files allow, up to 10,000.
        `keys`: with which bodies and headers are encrypted; without, they are kept in clear.
        `poster`: who connects to webhooks; without, only what is public is connected to.
        """
        lease_s = lease_s if journal.shared else ANSWER_S
        keeping, self._readiness = Keeping(journal, spool, clock, retention), Readiness(journal)
        self._keys = spool.keys = keys or Keys(journal, sealer)
        sealing = Sealing(sealer, self._keys)
        self._tools = Tools(journal, clock, spool, sealing, owner, lease_s, keeping, self._readiness)
        self.metrics = self._tools.metrics
        self._ids = ids
        self.routes = Routes()
        self._dispatcher = Dispatcher(self._tools, self.routes)
        self._sender = Sender(journal, owner, sealer, clock, self.routes, poster or Poster(Border()))
        desk = Desk(journal.outbox, self._sender, self.routes, clock)
        self.control = Control(self._tools, self.routes, self._dispatcher, desk)
        self._streams = Streams(self._tools)
        self._answers = Answers(self._tools, self._streams)
        self._deadlines = Deadlines(self._tools, self._dispatcher.courier)
        self._exchange = Exchange(
            self._tools, self.routes, self._dispatcher, self._answers, self._streams, self._deadlines
        )
        self._tunnels = Tunnels(self._tools, self.routes, self._dispatcher.courier)
        self._doors = Doors(self, connections, self._tools.metrics.refused)
        self._servers: list[asyncio.Server] = []
        self._tenure = Tenure(self._tools, self.routes, self._dispatcher)
        self._tickers: list[asyncio.Task[None]] = []
        self.leaving = False

    async def start(self, *, tcp: socket.socket, unix: socket.socket) -> None:
        """`recover`, then `listen`: when this returns, requests are answered."""
        await self.recover()
        await self.listen(tcp=tcp, unix=unix)

    async def recover(self) -> None:
        """What our former life left: its routing table, its files, its requests in flight."""
        self._tools.journal.watch_syncs(self._tools.metrics.sync_time.observe)
        self._tools.metrics.sources += [self._doors.readings, self._sender.readings]
        await self._keys.begin()
        await self.control.restore()
        await self._sweep_spool()
        await self._dispatcher.recover()

    async def listen(self, *, tcp: socket.socket, unix: socket.socket) -> None:
        await self._dispatcher.wake_all()
        loop = asyncio.get_running_loop()
        self._servers = [
            await loop.create_server(self._doors.tcp, sock=tcp),
            await loop.create_unix_server(self._doors.unix, sock=unix),
        ]
        self._tickers = [loop.create_task(self._tick()), loop.create_task(self._deadlines.run())]
        self._tickers.append(loop.create_task(self._tools.keeping.run()))
        self._tickers.append(loop.create_task(self._sender.run()))
        if self._tools.journal.shared:
            self._tickers.append(loop.create_task(self._tenure.run()))

    async def stop(self, grace: float = GRACE_S, *, notice: float = 0.0) -> None:
        """Accept nothing more, let what is in flight end, judge the rest as interrupted.

        For `notice` seconds before that, while anybody is connected, all is served as ever, but `ready` says no, and
        each answer ends its connection: who keeps one open learns of it from an answer, not from a request that gets
        none.
        """
        self._readiness.stop()
        self.leaving = True
        noticed = time.monotonic() + notice
        while self._connections and time.monotonic() < noticed:  # noqa: ASYNC110  (they come and go)
            await asyncio.sleep(0.02)
        for server in self._servers:
            server.close()
        self._tenure.leave()
        self._dispatcher.hold()
        self._tools.waiters.end()
        self._tunnels.drain()
        await self._hang_up()
        deadline = time.monotonic() + grace
        while self._busy() and time.monotonic() < deadline:  # noqa: ASYNC110  (several owners)
            await asyncio.sleep(0.02)
        self._dispatcher.courier.interrupt_all("the gateway stopped before it was answered")
        deadline = time.monotonic() + JUDGE_S
        while self._dispatcher.courier.active and time.monotonic() < deadline:  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.01)
        await self._dispatcher.stop()
        await self._dispatcher.courier.close()
        for ticker in self._tickers:
            ticker.cancel()
        await self._sender.stop()
        await self._leave()

    def admit(self, head: RequestHead, *, trusted: bool, peer: str) -> Incoming:
        room, name, rest = split_target(head.target)
        request_id = self._ids.new("req")
        incoming = Incoming(request_id, head, peer, room, name, rest, self._tools.spool.writer(f"{request_id}.request"))
        refusal = self._refusal(incoming, trusted=trusted)
        if refusal is not None:
            incoming.refuse(refusal)
        return incoming

    def at_once(self, incoming: Incoming, reply: Reply, done: Done) -> bool:
        """Answer it without a task, if it is of the usual kind; `done` tells the end. False: it is for `serve`."""
        caller, head = incoming.caller, incoming.head
        if incoming.refusal is not None or caller is None or incoming.room != "agent":
            return False
        if head.upgrade or b"last-event-id" in head.fields:
            return False
        route = self.routes.route(caller, incoming.name)
        return not isinstance(route, Refusal) and self._exchange.at_once(incoming, reply, route, done)

    def refused(self, status: int) -> None:
        self._tools.metrics.refused(status)

    async def serve(self, incoming: Incoming, reply: Reply) -> None:
        started = time.perf_counter()
        try:
            await self._serve(incoming, reply)
        except BaseException:
            incoming.body.discard()
            raise
        if not incoming.head.upgrade:
            self._tools.metrics.took(time.perf_counter() - started)

    async def _serve(self, incoming: Incoming, reply: Reply) -> None:
        refusal, caller = incoming.refusal, incoming.caller
        if refusal is None and incoming.room == "_gateway":
            await self.control.serve(incoming, reply)
            return
        if refusal is None and caller is not None:
            if incoming.room == "requests":
                await self._answers.serve(incoming, reply, caller)
                return
            # The table may have changed while the body came in.
            route = self.routes.route(caller, incoming.name)
            if not isinstance(route, Refusal):
                if incoming.head.upgrade:
                    await self._tunnels.serve(incoming, reply, route, caller)
                    return
                if b"last-event-id" in incoming.head.fields and await self._streams.again(incoming, caller, reply):
                    return
                await self._exchange.serve(incoming, reply, route)
                return
            refusal = route
        refusal = refusal or _NOWHERE
        incoming.body.discard()
        refuse(reply, refusal)

    def _refusal(self, incoming: Incoming, *, trusted: bool) -> Refusal | None:
        if incoming.room == "_gateway" and (trusted or (incoming.name in PROBES and not incoming.rest)):
            return None
        if incoming.room not in ("agent", "requests") or not incoming.name:
            return _NOWHERE
        caller = self.routes.caller(incoming.head, trusted=trusted, now_us=self._tools.clock.now_us())
        if isinstance(caller, Refusal):
            return caller
        incoming.caller = caller
        away = self._tools.journal.away()
        if away:
            return Refusal(503, "Unavailable", away, "try again in a few seconds; nothing was accepted")
        if incoming.room == "agent":
            route = self.routes.route(caller, incoming.name)
            if isinstance(route, Refusal):
                return route
            key = incoming.head.get(b"idempotency-key")
            if key is not None and not 0 < len(key) <= 255:
                return Refusal(400, "UsageError", "Idempotency-Key must have 1 to 255 characters")
            terms = read_terms(incoming.head)
            if isinstance(terms, Refusal):
                return terms
            if terms.webhook:
                hears = self.routes.hears((route.namespace, route.agent), terms.webhook)
                if isinstance(hears, Refusal):
                    return hears
            incoming.terms = terms
        return None

    async def _sweep_spool(self) -> None:
        """Files of requests that were never accepted, and of answers that never ended."""
        for name in await self._tools.spool.names():
            request = await self._tools.journal.get(name.partition(".")[0])
            held = {request.body.spool} if request else set()
            if request is not None and request.response is not None:
                held.add(request.response.body.spool)
            if name in held:
                self._tools.spool.found(name)
            else:
                await self._tools.spool.remove(name)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            self._dispatcher.courier.tick(now)
            self._tunnels.tick()
            for connection in list(self._connections):
                connection.tick(now)

    @property
    def _connections(self) -> list[ClientConnection]:
        return self._doors.connections

    def _busy(self) -> bool:
        dispatcher = self._dispatcher
        engaged = any(connection.engaged for connection in self._connections)
        return engaged or dispatcher.busy or bool(dispatcher.courier.active)

    async def _hang_up(self) -> None:
        """End what is idle, once what is on its way there had time to arrive."""
        await asyncio.sleep(0)  # whoever was let in just now is among them after this
        for connection in list(self._connections):
            connection.end()
        if self._connections:
            await asyncio.sleep(QUIET_S)
        for connection in list(self._connections):
            connection.end()

    async def _leave(self) -> None:
        for _ in range(50):
            if not self._connections:
                break
            await asyncio.sleep(0.01)
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()
        for server in self._servers:
            await server.wait_closed()
