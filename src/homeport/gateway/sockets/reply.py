# SPDX-License-Identifier: Apache-2.0
"""One response to one client."""

from __future__ import annotations

import asyncio
from typing import Protocol

from homeport.gateway.core.message import ResponseHead
from homeport.gateway.core.write import LAST_CHUNK, response_head
from homeport.gateway.sockets.tunnel import Taken
from homeport.gateway.waiting import Source
from homeport.model.request import Headers


class Connection(Protocol):
    @property
    def transport(self) -> asyncio.Transport | None: ...

    @property
    def alive(self) -> bool: ...

    @property
    def deaf(self) -> bool: ...

    @property
    def draining(self) -> bool: ...

    async def drained(self) -> bool: ...

    def hand_over(self) -> Taken: ...

    def refused(self, status: int) -> None: ...


class ClientReply:
    """Writes what it is told while the client is there; a client that left changes nothing for the teller."""

    def __init__(self, connection: Connection, method: str, version: str, *, keep_alive: bool) -> None:
        self._connection = connection
        self._method = method
        self._version = version
        self._keep_alive = keep_alive
        self._chunked = False
        self._bodiless = False
        self._left = -1
        self._source: Source | None = None
        self.extra: Headers = ()
        self._held = b""
        self.begun = False
        self.ended = False
        self.was_cut = False
        self._finished: asyncio.Future[None] | None = None

    @property
    def open(self) -> bool:
        return not self.begun and self._connection.alive

    @property
    def listening(self) -> bool:
        return self.begun and not self.ended and self._connection.alive

    @property
    def half_closed(self) -> bool:
        return self._connection.deaf

    @property
    def reusable(self) -> bool:
        """Whether the connection can carry another response after this one."""
        return self.ended and not self.was_cut and self._keep_alive

    def begin(self, head: ResponseHead, request_id: str = "", source: Source | None = None) -> None:
        self.begun = True
        self._source = source
        keep_alive = self._keep_alive and not self._connection.draining
        extra = (*self.extra, (b"X-Homeport-Request-Id", request_id.encode())) if request_id else self.extra
        data, self._chunked, self._keep_alive = response_head(
            head, method=self._method, version=self._version, keep_alive=keep_alive, extra=extra
        )
        self._bodiless = self._method == "HEAD" or head.status in (204, 304)
        self._left = 0 if self._bodiless else head.length
        # The first bytes of the body mostly follow within this turn of the loop: one write for both.
        self._held = data
        if source is None:
            asyncio.get_running_loop().call_soon(self.flush)

    def refused(self, status: int) -> None:
        self._connection.refused(status)

    def data(self, data: bytes) -> None:
        if self._bodiless or self.ended or not data:
            return
        if self._left >= 0:
            self._left -= len(data)
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def finished(self) -> None:
        if not self.ended:
            self._finished = asyncio.get_running_loop().create_future()
            await self._finished

    async def drained(self) -> bool:
        return await self._connection.drained()

    def end(self) -> None:
        if self.ended:
            return
        if self._left > 0:
            self.cut()  # fewer bytes than were promised
            return
        self._finish()
        if self._chunked:
            self._write(LAST_CHUNK)
        self.flush()

    def cut(self) -> None:
        """Reset the connection: a plain close would look like the end of a response without a length."""
        self._finish()
        self.was_cut = True
        if self._connection.transport is not None:
            self._connection.transport.abort()

    def switch(self, head: bytes) -> Taken:
        """Write the head of a 101 and give the socket away; `end` it when that is closed."""
        self.begun = True
        self._keep_alive = False
        self._write(head)
        return self._connection.hand_over()

    def hold(self, on: bool) -> None:
        """The client is slow (or not any more): so must be whoever answers."""
        if self._source is not None:
            if on:
                self._source.pause()
            else:
                self._source.resume()

    def _finish(self) -> None:
        self.ended = True
        self._source = None
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def flush(self) -> None:
        """What is held goes out. A source does so at the end of its turn."""
        if self._held:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        if self._held:
            data, self._held = self._held + data, b""
        if self._connection.alive and self._connection.transport is not None:
            self._connection.transport.write(data)
