# SPDX-License-Identifier: Apache-2.0
"""Who answers while the gateway starts and that takes long: alive, not ready, and why. Nothing is accepted then."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from homeport.gateway.core.access import Refusal, split_target
from homeport.gateway.core.message import RequestHead
from homeport.gateway.direct import Done
from homeport.gateway.incoming import PROBES, Incoming, answer, refuse
from homeport.gateway.sockets.clients import LINGER_S, ClientConnection
from homeport.gateway.spool import Spool
from homeport.gateway.waiting import Reply

AFTER_S = 1.0
"""Seconds that callers wait without an answer: most starts are shorter, and then the gateway itself answers them."""
RECOVERING = "the gateway looks through what was under way when it last ended"
WAITING = "the database of the request journal does not answer"


class Starting:
    """On the sockets that the gateway will have; `reason` is set by whoever starts it."""

    leaving = True

    def __init__(self, spool: Spool) -> None:
        self.reason = RECOVERING
        self._spool = spool
        self._connections: set[ClientConnection] = set()
        self._task: asyncio.Task[None] | None = None

    def begin(self, *, tcp: socket.socket, unix: socket.socket) -> None:
        """The sockets stay the caller's."""
        self._task = asyncio.get_running_loop().create_task(self._answer(tcp, unix))

    async def end(self) -> None:
        """Whoever comes now waits for the gateway. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def admit(self, head: RequestHead, *, trusted: bool, peer: str) -> Incoming:
        room, name, rest = split_target(head.target)
        incoming = Incoming("", head, peer, room, name, rest, self._spool.writer("starting"))
        if room != "_gateway" or name not in PROBES or rest or head.length:
            hint = "try again in a few seconds; nothing was accepted"
            incoming.refuse(Refusal(503, "Unavailable", f"not ready: {self.reason}", hint))
        return incoming

    def at_once(self, incoming: Incoming, reply: Reply, done: Done) -> bool:
        """As `Service`."""
        return False

    def refused(self, status: int) -> None:
        """Not counted: the gateway that counts is not there yet."""

    async def serve(self, incoming: Incoming, reply: Reply) -> None:
        incoming.body.discard()
        if incoming.refusal is not None:
            refuse(reply, incoming.refusal)
        elif incoming.name == "live":
            answer(reply, 200, {"live": True})
        else:
            answer(reply, 503, {"ready": False, "reason": self.reason})

    async def _answer(self, tcp: socket.socket, unix: socket.socket) -> None:
        await asyncio.sleep(AFTER_S)
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        try:
            servers.append(await loop.create_server(lambda: self._connection(trusted=False), sock=tcp.dup()))
            servers.append(await loop.create_unix_server(lambda: self._connection(trusted=True), sock=unix.dup()))
            while True:
                await asyncio.sleep(1.0)
                for connection in list(self._connections):
                    connection.tick(time.monotonic())
        finally:
            for server in servers:
                server.close()
            for connection in list(self._connections):
                connection.end()
                loop.call_later(LINGER_S, _abort, connection)

    def _connection(self, *, trusted: bool) -> ClientConnection:
        return ClientConnection(self, self._connections, trusted=trusted)


def _abort(connection: ClientConnection) -> None:
    if connection.transport is not None:
        connection.transport.abort()
