# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the seed's way: a proxy with seven sequential Redis round trips a request. Not the seed itself.

Like the seed it stores the request, lists it as pending, counts it as in hand, and after the answer stores that, takes
it off the list, lists it as done and lets it expire. Unlike the seed it is written for speed: hand-made protocols on
uvloop, one Redis and one agent connection for each client, no JSON but a copy of the bytes. Redis syncs nothing.

`standin.py PORT REDIS_PORT AGENT_SOCKET`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import cast

import uvloop

_NUMBERS = itertools.count()


class Line(asyncio.Protocol):
    """One call at a time; an answer is whole by Content-Length, or, with `redis`, at the end of its line."""

    def __init__(self, *, redis: bool) -> None:
        self._redis = redis
        self._data = b""
        self._answer: asyncio.Future[bytes] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def call(self, data: bytes) -> asyncio.Future[bytes]:
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        whole = self._data.endswith(b"\r\n") if self._redis else message_size(self._data) == len(self._data)
        if whole and self._answer is not None:
            answer, self._data = self._data, b""
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("gone"))


class Client(asyncio.Protocol):
    def __init__(self, redis_port: int, agent: str) -> None:
        self._redis_port, self._agent = redis_port, agent
        self._data = b""
        self._lines: tuple[Line, Line] | None = None
        self._task: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        for line in self._lines or ():
            if line.transport is not None:
                line.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if message_size(self._data) == len(self._data):
            request, self._data = self._data, b""
            self._task = asyncio.get_running_loop().create_task(self._serve(request))

    async def _serve(self, request: bytes) -> None:
        if self._lines is None:
            loop = asyncio.get_running_loop()
            _, redis = await loop.create_connection(lambda: Line(redis=True), "127.0.0.1", self._redis_port)
            _, agent = await loop.create_unix_connection(lambda: Line(redis=False), self._agent)
            self._lines = redis, agent
        redis, agent = self._lines
        name = b"req:%d" % next(_NUMBERS)
        await redis.call(command(b"SET", name, request, b"EX", b"86400"))
        await redis.call(command(b"LPUSH", b"pending", name))
        await redis.call(command(b"INCR", b"in-hand"))
        answer = await agent.call(request)
        await redis.call(command(b"SET", name + b":answer", answer, b"EX", b"86400"))
        await redis.call(command(b"LREM", b"pending", b"1", name))
        await redis.call(command(b"LPUSH", b"done", name))
        await redis.call(command(b"EXPIRE", b"done", b"86400"))
        if self.transport is not None:
            self.transport.write(answer)


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def message_size(data: bytes) -> int:
    """Bytes of the message that begins here, -1 while its head is not whole. Only what our own bench sends."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return -1
    lower = data[:head].lower()
    at = lower.find(b"content-length:")
    length = int(lower[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
    return head + 4 + length


async def main() -> None:
    port, redis_port, agent = sys.argv[1:]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(int(redis_port), agent), "127.0.0.1", int(port))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
