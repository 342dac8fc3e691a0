# SPDX-License-Identifier: Apache-2.0
"""What a container printed, as the engine keeps it: frames of bytes to lines with times."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.exits import microseconds
from homeport.model.logformat import MAX_LINE

_STREAMS = {1: "out", 2: "err"}
_CUT = f" [cut: longer than {MAX_LINE} bytes]"
_CHUNK = 64 * 1024
_LARGEST_FRAME = 1 << 24


@dataclass(frozen=True, slots=True)
class Printed:
    """`stamp` is the engine's own, with nanoseconds: where to go on from."""

    at_us: int
    stamp: str
    stream: str
    text: str


async def printed(
    connection: Connection, container: str, *, tail: int = 0, since: str = "", follow: bool = False
) -> AsyncIterator[Printed]:
    """Lines in order. `since`: seconds with nanoseconds, lines at that very time included. Raises `NotFound`."""
    if tail and not connection.counts_lines:
        kept = deque([line async for line in printed(connection, container, since=since)], maxlen=tail)
        for line in kept:
            yield line
        return
    params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": str(tail or "all")}
    if follow:
        params["follow"] = "1"
    if since:
        params["since"] = since
    async with connection.stream("GET", f"containers/{container}/logs", params=params, operation="logs") as response:
        frames = Frames()
        async for chunk in response.content.iter_chunked(_CHUNK):
            for line in frames.feed(chunk):
                yield line
        for line in frames.end():
            yield line


async def last_lines(connection: Connection, container: str, count: int) -> list[str]:
    """The texts of the last lines of both streams, oldest first."""
    return [line.text async for line in printed(connection, container, tail=count)]


@dataclass
class Frames:
    """Each frame: one byte for the stream, three of nothing, four for its length; then a time, a space, the text.

    A line too long for a frame comes in several, all but the last without a line end.
    """

    _rest: bytes = b""
    _parts: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    def feed(self, data: bytes) -> list[Printed]:
        found: list[Printed] = []
        data = self._rest + data
        place = 0
        while len(data) - place >= 8:
            kind, length = struct.unpack_from(">BxxxL", data, place)
            if kind not in (0, 1, 2) or length > _LARGEST_FRAME:
                raise ValueError("the engine's log is not framed as it should be")
            if len(data) - place - 8 < length:
                break
            found += self._frame(_STREAMS.get(kind, "out"), data[place + 8 : place + 8 + length])
            place += 8 + length
        self._rest = data[place:]
        return found

    def end(self) -> list[Printed]:
        """What had no line end yet."""
        parts, self._parts = self._parts, {}
        return [_line(stream, stamp, text) for stream, (stamp, text) in parts.items()]

    def _frame(self, stream: str, payload: bytes) -> list[Printed]:
        head, _, text = payload.partition(b" ")
        stamp, before = self._parts.pop(stream, (head.decode("ascii", "replace"), b""))
        whole = before + text
        if not text.endswith(b"\n"):
            self._parts[stream] = (stamp, whole[: MAX_LINE + 1])
            return []
        return [_line(stream, stamp, whole[:-1])]


def _line(stream: str, stamp: str, text: bytes) -> Printed:
    cut = len(text) > MAX_LINE
    shown = text[:MAX_LINE].decode("utf-8", "replace").removesuffix("\r") + (_CUT if cut else "")
    return Printed(microseconds(stamp), stamp, stream, shown)


def after(stamp: str) -> str:
    """A time of the engine's as the `since` that begins at it."""
    at_us = microseconds(stamp)
    nanos = stamp.partition(".")[2].rstrip("Z").ljust(9, "0")[:9]
    return f"{at_us // 1_000_000}.{nanos}"
