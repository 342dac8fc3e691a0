# SPDX-License-Identifier: Apache-2.0
"""Connections from clients: HTTP/1.1, kept alive, pipelined requests answered in their order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Protocol, cast

from homeport.errors import HomeportError
from homeport.gateway.core.access import Refusal
from homeport.gateway.core.message import RequestHead
from homeport.gateway.core.parse import BodyRead, EndRead, HeadRead, Rejected, RequestReader
from homeport.gateway.core.write import CONTINUE, reason
from homeport.gateway.incoming import MAX_BODY, Incoming, refusal_of, refuse
from homeport.gateway.sockets.reply import ClientReply
from homeport.gateway.sockets.tunnel import Taken
from homeport.gateway.waiting import Reply

EARLY = 64 * 1024
"""Bytes that may come before the agent has agreed to a WebSocket."""
HEAD_S, BODY_S, IDLE_S, UNREAD_S, LINGER_S = 10.0, 60.0, 75.0, 60.0, 2.0
"""Seconds: for a whole head, between two pieces of a body, between requests, for a client that does not read, and
for it to read the last answer before the connection is closed on its unread body."""
QUIET_S = 0.25
"""Seconds without a request before an idle connection is closed: what is on its way is still answered."""
SLOWEST = 500
"""Bytes a second that a body must come with on the whole, from `BODY_S` on."""

Rest = Coroutine[None, None, None]
log = logging.getLogger(__name__)


class Service(Protocol):
    @property
    def leaving(self) -> bool:
        """It is about to stop: answers say that their connection ends."""
        ...

    def admit(self, head: RequestHead, *, trusted: bool, peer: str) -> Incoming:
        """Before the body: who is it, and may they. A refusal is in the result."""
        ...

    def at_once(self, incoming: Incoming, reply: Reply, done: Callable[[Rest | None], None]) -> bool:
        """Answer it in callbacks; `done` is called when the reply has ended, or with what to await until it has.

        False: it wants `serve`.
        """
        ...

    async def serve(self, incoming: Incoming, reply: Reply) -> None:
        """Answer it; returns when the reply has ended or was cut."""
        ...

    def refused(self, status: int) -> None:
        """It, or the connection, refused a request with this status."""
        ...


class ClientConnection(asyncio.Protocol):
    def __init__(self, service: Service, connections: set[ClientConnection], *, trusted: bool) -> None:
        self._service = service
        self._connections = connections
        self.trusted = trusted
        self._reader = RequestReader()
        self._peer = ""
        self._queue: deque[tuple[Incoming, bool]] = deque()
        self._arriving: Incoming | None = None
        self._owes_continue = False
        self._deaf = False
        self._early: bytes | None = None
        self._wake: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._paused = False
        self._reply: ClientReply | None = None
        self._task: asyncio.Task[None] | None = None
        self._rest: asyncio.Task[None] | None = None
        self._last = False
        self._since = time.monotonic()
        self._body_since, self._body_had = 0.0, 0
        self._unread_since = 0.0
        self.transport: asyncio.Transport | None = None
        self._ending = self._over = False

    @property
    def alive(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    @property
    def deaf(self) -> bool:
        """Nothing more is heard from it: it ended its side, or is not listened to any more."""
        return self._deaf

    @property
    def draining(self) -> bool:
        """The next answer is its last."""
        return self._ending or self._service.leaving

    def refused(self, status: int) -> None:
        self._service.refused(status)

    @property
    def busy(self) -> bool:
        return self._reply is not None or bool(self._queue)

    @property
    def engaged(self) -> bool:
        """A request is being answered, or one that is welcome has begun to arrive. Half a head holds nobody up."""
        return self.busy or (self._arriving is not None and not self._deaf)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._connections.add(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._deaf = True
        self.resume_writing()
        if self._arriving is not None:
            self._arriving.body.discard()
            self._arriving = None
        self._notify()

    def eof_received(self) -> bool:
        # A client may close its sending side and still read answers; nothing more will come.
        self._deaf = True
        self._notify()
        return self.busy

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._early is not None:
            self._hold_early(data)
            return
        if self._reader.between_requests or self._arriving is not None:
            self._since = time.monotonic()
        for event in self._reader.feed(data):
            if isinstance(event, HeadRead):
                self._head(event.head)
            elif isinstance(event, EndRead):
                self._end()
            elif isinstance(event, BodyRead):
                self._body(event.data)
            elif isinstance(event, Rejected):
                self._reject(Refusal(event.status, "UsageError", event.message))
            if self._deaf:
                return
        if self._queue and self._queue[-1][0].head.upgrade:
            self._hold_early(self._reader.rest)
        if len(self._queue) > 1 and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def _hold_early(self, data: bytes) -> None:
        self._early = (self._early or b"") + data
        if len(self._early) > EARLY and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def hand_over(self) -> Taken:
        """The socket; what it sends is no HTTP any more, and does not come here."""
        assert self.transport is not None
        taken = Taken(self.transport, self, self._early or b"", self._deaf)
        self._early, self._deaf = b"", True
        return taken

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()
        self._unread_since = time.monotonic()
        if self._reply is not None:
            self._reply.hold(True)

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None
        self._unread_since = 0.0
        if self._reply is not None:
            self._reply.hold(False)

    async def drained(self) -> bool:
        if self._writable is not None:
            await self._writable
        return self.alive

    def tick(self, now: float) -> None:
        """Once a second: end what takes too long."""
        if self._unread_since and now - self._unread_since > UNREAD_S and self.transport is not None:
            self.transport.abort()
        elif self._deaf or self.busy:
            self._body_since, self._body_had = now, self._arriving.body.size if self._arriving is not None else 0
        elif self._arriving is not None:
            took, got = now - self._body_since, self._arriving.body.size - self._body_had
            if now - self._since > BODY_S or (took > BODY_S and got < took * SLOWEST):
                self._reject(Refusal(408, "UsageError", "the body did not come in time"))
        elif not self._reader.between_requests:
            if now - self._since > HEAD_S:
                self._reject(Refusal(408, "UsageError", "the headers did not come in time"))
        elif now - self._since > IDLE_S:
            self.end()

    def end(self) -> None:
        """Close when nothing is being answered and nothing has come for a moment. Idempotent."""
        if not self._ending:
            self._ending = True
            asyncio.get_running_loop().call_later(QUIET_S, self._close_idle)

    def _close_idle(self) -> None:
        self._over = True
        self._notify()

    def _head(self, head: RequestHead) -> None:
        incoming = self._service.admit(head, trusted=self.trusted, peer=self._peer)
        self._arriving = incoming
        self._body_since, self._body_had = self._since, 0
        if head.length > MAX_BODY:
            incoming.refuse(_TOO_LARGE)
        if incoming.refusal is not None and head.length:
            self._refuse_body(incoming)
        elif head.expects_continue:
            self._owes_continue = True
            self._continue()

    def _continue(self) -> None:
        if self._owes_continue and not self.busy and self.transport is not None:
            self._owes_continue = False
            self.transport.write(CONTINUE)

    def _body(self, data: bytes) -> None:
        incoming = self._arriving
        if incoming is None:
            return
        self._owes_continue = False
        try:
            incoming.body.write(data)
        except HomeportError as error:
            incoming.refuse(refusal_of(error))
        if incoming.body.size > MAX_BODY:
            incoming.refuse(_TOO_LARGE)
        if incoming.refusal is not None:
            self._refuse_body(incoming)

    def _end(self) -> None:
        if self._arriving is not None:
            incoming, self._arriving = self._arriving, None
            self._since = time.monotonic()
            if not self._at_once(incoming):
                self._queue.append((incoming, incoming.head.keep_alive))
                self._notify()

    def _at_once(self, incoming: Incoming) -> bool:
        """The usual request on a connection that owes no other answer needs no task."""
        if self._reply is not None or self._queue or self._last or self._writable is not None:
            return False
        head = incoming.head
        reply = ClientReply(self, head.method, head.version, keep_alive=head.keep_alive)
        self._reply = reply
        if self._service.at_once(incoming, reply, lambda rest: self._ended(incoming, reply, rest)):
            return True
        self._reply = None
        return False

    def _ended(self, incoming: Incoming, reply: ClientReply, rest: Rest | None) -> None:
        if rest is not None:
            self._rest = asyncio.get_running_loop().create_task(self._await(incoming, reply, rest))
        else:
            self._next(reply)

    async def _await(self, incoming: Incoming, reply: ClientReply, rest: Rest) -> None:
        await self._answer(incoming, reply, rest)
        self._next(reply)

    def _next(self, reply: ClientReply) -> None:
        if not reply.ended:
            reply.cut()
        self._reply = None
        self._since = time.monotonic()
        self._last = not reply.reusable
        if self._last or self._queue or self._deaf or self._over or self._owes_continue:
            self._notify()

    def _refuse_body(self, incoming: Incoming) -> None:
        """Answer without reading the rest of it; then the connection is of no use."""
        self._arriving = None
        self._deaf = True
        self._queue.append((incoming, False))
        self._notify()

    def _reject(self, refusal: Refusal) -> None:
        if self._arriving is not None:
            incoming, self._arriving = self._arriving, None
        else:
            incoming = self._service.admit(RequestHead("GET", "/", (), "1.1", False, 0), trusted=False, peer="")
        incoming.refuse(refusal)
        self._refuse_body(incoming)

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _serve(self) -> None:
        """What is not answered at once, in its order, and the end of the connection."""
        loop = asyncio.get_running_loop()
        while self.alive and not self._last:
            if self._reply is not None or not self._queue:
                if self._reply is None:
                    if self._deaf or (self._over and not self.engaged):
                        break
                    self._continue()
                self._wake = loop.create_future()
                await self._wake
                continue
            if not await self.drained():  # who reads no answers gets no more of them
                break
            incoming, keep_alive = self._queue.popleft()
            if self._paused and self.transport is not None and self.alive:
                self._paused = False
                self.transport.resume_reading()
            head = incoming.head
            reply = ClientReply(self, head.method, head.version, keep_alive=keep_alive)
            self._reply = reply
            await self._answer(incoming, reply, self._service.serve(incoming, reply))
            self._next(reply)
        self._close()

    async def _answer(self, incoming: Incoming, reply: ClientReply, work: Rest) -> None:
        try:
            await work
        except HomeportError as error:
            refuse(reply, refusal_of(error))
        except Exception:
            # The last line of defence: the client must see an error, the operator why.
            log.exception("request %s failed in the gateway", incoming.id)
            refuse(reply, Refusal(500, "HomeportError", reason(500)))

    def _close(self) -> None:
        for incoming, _ in self._queue:
            incoming.body.discard()
        self._queue.clear()
        if self.transport is None or not self.alive:
            return
        self._deaf = True
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            # Closing on unread input would reset the connection and could take the answer with it.
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)
        else:
            self.transport.close()


_TOO_LARGE = Refusal(413, "UsageError", f"a request body may have at most {MAX_BODY} bytes")
