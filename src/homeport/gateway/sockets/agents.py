# SPDX-License-Identifier: Apache-2.0
"""Connections to agents: HTTP/1.1, kept alive, one pool per instance."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from typing import Protocol, cast

from homeport.errors import Unavailable
from homeport.gateway.core.delivery import Sent
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.core.parse import AnswerRead, BodyRead, EndRead, Rejected, ResponseReader
from homeport.gateway.sockets.tunnel import Taken
from homeport.sockets import dial

MAX_IDLE = 64
CONNECT_S = 5.0


class Receiver(Protocol):
    """Told what an agent answers. After `ended` or `lost` nothing more is told."""

    def answering(self, head: ResponseHead) -> None: ...

    def answer(self, data: bytes) -> None: ...

    def heard(self) -> None:
        """All that came at once is told, and it was not the end."""
        ...

    def ended(self) -> None: ...

    def lost(self, why: str, sent: Sent, *, stale: bool) -> None: ...


class AgentConnection(asyncio.Protocol):
    """One request at a time. Goes back to its pool by itself after a whole response."""

    def __init__(self, pool: AgentPool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._reader: ResponseReader | None = None
        self._wrote = False
        self._sending = False
        self._reused = False
        self._paused = False
        self._writable: asyncio.Future[None] | None = None
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def start(self, receiver: Receiver, method: str, *, upgrade: bool = False) -> None:
        """The next answer is for `receiver`; with `upgrade` it may be a 101, upon which it calls `hand_over`."""
        self._reused = self.idle_since > 0
        self._receiver = receiver
        if self._reader is None:
            self._reader = ResponseReader(method, upgrade=upgrade)
        else:
            self._reader.expect(method, upgrade=upgrade)
        self._wrote = False

    def write(self, data: bytes, *, last: bool = True) -> None:
        """A piece of the request; with `last` the whole of it is written."""
        self._sending = not last
        if self.usable:
            assert self._transport is not None
            self._wrote = True
            self._transport.write(data)
        else:
            self._lose("the connection was closed before the request was sent")

    async def drained(self) -> bool:
        """Wait until more can be written; False when nobody reads it any more."""
        if self._writable is not None:
            await self._writable
        return self._receiver is not None and self.usable

    def pause(self) -> None:
        if self.usable and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if self.usable and self._transport is not None:
            self._transport.resume_reading()

    def hand_over(self) -> Taken:
        """Its socket, which is no HTTP any more. The receiver hears nothing further."""
        assert self._transport is not None
        assert self._reader is not None
        self._receiver = None
        return Taken(self._transport, self, self._reader.rest)

    def abort(self) -> None:
        """Close at once; the receiver hears nothing of it."""
        self._receiver = None
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if self._receiver is None or reader is None:
            self.abort()  # nobody asked: such a connection is not to be trusted
            return
        for event in reader.feed(data):
            receiver = self._receiver
            if receiver is None:
                return
            if isinstance(event, BodyRead):
                receiver.answer(event.data)
            elif isinstance(event, AnswerRead):
                receiver.answering(event.head)
            elif isinstance(event, EndRead):
                self._end(reader)
            elif isinstance(event, Rejected):
                self._lose(event.message)
        if self._receiver is not None:
            self._receiver.heard()

    def eof_received(self) -> bool:
        if self._receiver is not None and self._reader is not None and self._reader.eof():
            self._end(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        if self._receiver is not None:
            self._lose(str(exc) if exc else "the agent closed the connection before the answer was complete")

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _end(self, reader: ResponseReader) -> None:
        receiver, self._receiver = self._receiver, None
        if self._paused:
            self.resume()
        if reader.keep_alive and not self._sending and self.usable:
            self._pool.give(self)
        elif self._transport is not None:
            self._transport.close()
        if receiver is not None:
            receiver.ended()

    def _lose(self, why: str) -> None:
        receiver, self._receiver = self._receiver, None
        started = self._reader is not None and self._reader.started
        sent = Sent.PERHAPS if self._wrote else Sent.NOTHING
        if self._transport is not None:
            self._transport.abort()
        if receiver is not None:
            receiver.lost(why, sent, stale=self._reused and not started)


class AgentPool:
    """Connections to one instance at an endpoint that `homeport.sockets.dial` knows."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._idle: deque[AgentConnection] = deque()
        self._closed = False

    async def acquire(self, max_idle: float) -> AgentConnection:
        """A fresh connection, or one idle for at most `max_idle` seconds. Raises `Unavailable`: nothing was sent."""
        return self.idle(max_idle) or await self.fresh()

    def idle(self, max_idle: float) -> AgentConnection | None:
        """One that is there, idle for at most `max_idle` seconds."""
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since <= max_idle:
                return connection
            connection.abort()
        return None

    async def fresh(self) -> AgentConnection:
        """Raises `Unavailable`: nothing was sent."""
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._connect()
        except (OSError, TimeoutError) as error:
            why = str(error) or "it did not answer in time"
            raise Unavailable(
                f"no connection to the agent: {why}", operation="connect", subject=self.endpoint
            ) from error

    async def _connect(self) -> AgentConnection:
        sock = await dial(self.endpoint)
        loop = asyncio.get_running_loop()
        try:
            if sock.family == socket.AF_UNIX:
                _, connection = await loop.create_unix_connection(lambda: AgentConnection(self), sock=sock)
            else:
                _, connection = await loop.create_connection(lambda: AgentConnection(self), sock=sock)
        except BaseException:
            sock.close()
            raise
        return connection

    def give(self, connection: AgentConnection) -> None:
        if self._closed or len(self._idle) >= MAX_IDLE:
            connection.abort()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def close(self) -> None:
        """End the idle ones; those in use end with their request. Idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()
