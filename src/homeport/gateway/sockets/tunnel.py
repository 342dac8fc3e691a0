# SPDX-License-Identifier: Apache-2.0
"""Two sockets joined: what comes in at one goes out at the other, no faster than it is read there."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass

from homeport.gateway.core.frames import Frames, close_frame

QUIET_S, HALF_S, LEAVE_S = 600.0, 10.0, 2.0
"""Seconds: without a byte either way, after one side has ended, and for a last frame to be answered."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A socket that stops being HTTP: `early` bytes came already, and perhaps the end (`eof`) of what it sends."""

    transport: asyncio.Transport
    owner: asyncio.BaseProtocol
    early: bytes = b""
    eof: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """`whole`: a Close frame was seen, or the client left. Else `why` says what cut it."""

    whole: bool
    why: str = ""


class _End(asyncio.Protocol):
    def __init__(self, tunnel: Tunnel, taken: Taken, mask: bool) -> None:
        self.tunnel = tunnel
        self.transport = taken.transport
        self.owner = taken.owner
        self.mask = mask
        """Whether frames towards this end are masked: it is a server's."""
        self.frames = Frames()
        self.bytes = 0
        self.eof = self.gone = self.parted = False

    @property
    def other(self) -> _End:
        return self.tunnel.agent if self is self.tunnel.client else self.tunnel.client

    def data_received(self, data: bytes) -> None:
        self.tunnel.came(self, data)

    def eof_received(self) -> bool:
        self.tunnel.ended(self)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self.owner.connection_lost(exc)
        self.other.read(True)
        self.tunnel.lost(self)

    def pause_writing(self) -> None:
        self.other.read(False)

    def resume_writing(self) -> None:
        self.other.read(True)

    def read(self, on: bool) -> None:
        if not self.gone and not self.transport.is_closing():
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def write(self, data: bytes) -> None:
        if data and not self.parted and not self.transport.is_closing():
            self.transport.write(data)

    def close(self, *, cut: bool = False) -> None:
        if not self.gone:
            if cut:
                self.transport.abort()
            else:
                self.transport.close()


class Tunnel:
    """Runs by itself from the moment it is made; `finished` tells how it ended, when both sockets are closed."""

    def __init__(self, client: Taken, agent: Taken) -> None:
        self.moved = time.monotonic()
        self.finished: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._leaving: tuple[int, str] | None = None
        self._since = 0.0
        self._first: _End | None = None
        self._cut = ""
        self.client = _End(self, client, mask=False)
        self.agent = _End(self, agent, mask=True)
        for end, taken in ((self.client, client), (self.agent, agent)):
            taken.transport.set_protocol(end)
        for end, taken in ((self.agent, agent), (self.client, client)):
            if taken.early:
                self.came(end, taken.early)
            end.read(True)
            if taken.eof:
                self.ended(end)

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes (from the client, from the agent)."""
        return self.client.bytes, self.agent.bytes

    def came(self, end: _End, data: bytes) -> None:
        self.moved = time.monotonic()
        end.bytes += len(data)
        if self._leaving is None:
            end.frames.feed(data)
            end.other.write(data)
            return
        if not end.other.parted:
            taken = end.frames.feed(data, stop=True)
            end.other.write(data[:taken])
            self._part(end)
            data = data[taken:]
        end.frames.feed(data)
        if end is self.client and end.frames.closed:
            self._close()

    def leave(self, code: int, why: str) -> None:
        """End it between two frames, with a Close frame both ways; at once where nobody answers that."""
        if self._leaving is None and not self.finished.done():
            self._leaving = (code, why)
            self._cut = self._cut or why
            self._since = time.monotonic()
            self._part(self.client)
            self._part(self.agent)

    def cut(self, why: str) -> None:
        """Reset both sides: nobody can take it for an end in order."""
        self._cut = self._cut or why
        self.client.close(cut=True)
        self.agent.close(cut=True)

    def tick(self, now: float) -> None:
        """Once a second: end what is quiet for too long or does not end."""
        if self._since:
            if now - self._since > (LEAVE_S if self._leaving is not None else HALF_S):
                self.cut("")
        elif self.client.eof or self.agent.eof:
            if now - self.moved > HALF_S:
                self.cut("")
        elif now - self.moved > QUIET_S:
            self.leave(1001, f"nothing was said for {QUIET_S:.0f} s")

    def ended(self, end: _End) -> None:
        """One side sends no more; the other may go on."""
        self.moved = time.monotonic()
        self._first = self._first or end
        end.eof = True
        if end.other.eof or self._leaving is not None:
            self._close()
        elif not end.other.gone and end.other.transport.can_write_eof() and not end.other.transport.is_closing():
            end.other.transport.write_eof()

    def lost(self, end: _End) -> None:
        self._first = self._first or end
        if not end.other.gone:
            end.other.close(cut=not (end.eof and end.other.eof) and self._leaving is None)
        elif not self.finished.done():
            self.finished.set_result(self._ending())

    def _part(self, end: _End) -> None:
        """The last frame towards the other end, if the one before it is whole."""
        if self._leaving is not None and not end.other.parted and end.frames.at_border:
            if not end.frames.closed:
                end.other.write(close_frame(*self._leaving, mask=os.urandom(4) if end.other.mask else b""))
            end.other.parted = True

    def _close(self) -> None:
        self._since = self._since or time.monotonic()
        for end in (self.client, self.agent):
            end.parted = True
            end.close()

    def _ending(self) -> Ending:
        if self._cut:
            return Ending(False, self._cut)
        if self.client.frames.closed or self.agent.frames.closed or self._first is self.client:
            return Ending(True)
        return Ending(False, "the agent ended it without a Close frame")
