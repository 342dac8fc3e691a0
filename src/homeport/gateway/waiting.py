# SPDX-License-Identifier: Apache-2.0
"""Who waits for which request: clients whose connection can take the answer as it comes, and watchers of the end."""

from __future__ import annotations

import asyncio
from typing import Protocol

from homeport.gateway.core.message import ResponseHead
from homeport.gateway.sockets.tunnel import Taken
from homeport.model.request import Headers


class Source(Protocol):
    """Where a response comes from: told to hold back while the client is slow."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Reply(Protocol):
    """One client's place for one response. `extra` headers go with whatever the response will be."""

    extra: Headers

    @property
    def open(self) -> bool:
        """Nothing was written yet, and somebody is there to read it."""
        ...

    @property
    def begun(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    @property
    def listening(self) -> bool:
        """It has begun, has not ended, and somebody is there."""
        ...

    @property
    def half_closed(self) -> bool:
        """The client sends no more: it only reads, or is gone and has not been written to since."""
        ...

    def begin(self, head: ResponseHead, request_id: str = "", source: Source | None = None) -> None:
        """With a `source` it is that which calls `flush`: the head goes out together with what follows."""
        ...

    def refused(self, status: int) -> None:
        """What begins now is a refusal in the gateway's own name: it is counted."""
        ...

    def data(self, data: bytes) -> None: ...

    def flush(self) -> None: ...

    async def finished(self) -> None:
        """Wait until the response that has begun ends, well or not."""
        ...

    async def drained(self) -> bool:
        """Wait until more can be written; False when nobody reads it any more."""
        ...

    def end(self) -> None: ...

    def switch(self, head: bytes) -> Taken:
        """Write the head of a 101 and give the socket away; `end` it when that is closed."""
        ...

    def cut(self) -> None:
        """End the connection so that the response cannot be taken for a whole one."""
        ...


class Waiters:
    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}
        self._watchers: dict[str, set[asyncio.Future[None]]] = {}
        self._ending = False

    def offer(self, request_id: str, reply: Reply) -> None:
        """Whoever delivers the request may stream the answer into `reply`."""
        self._replies[request_id] = reply

    def withdraw(self, request_id: str) -> None:
        self._replies.pop(request_id, None)

    def claim(self, request_id: str) -> Reply | None:
        reply = self._replies.pop(request_id, None)
        return reply if reply is not None and reply.open else None

    async def settled(self, request_id: str, seconds: float) -> bool:
        """Wait until the request is settled; False after `seconds`, or when the gateway ends."""
        if self._ending or seconds <= 0:
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        watchers = self._watchers.setdefault(request_id, set())
        watchers.add(future)
        try:
            done, _ = await asyncio.wait((future,), timeout=seconds)
            return bool(done) and not self._ending
        finally:
            watchers.discard(future)
            if not watchers and self._watchers.get(request_id) is watchers:
                del self._watchers[request_id]

    def settle(self, request_id: str) -> None:
        """It is completed, failed or dead, and that is on disk."""
        for future in self._watchers.pop(request_id, ()):
            if not future.done():
                future.set_result(None)

    def watched(self) -> set[str]:
        return set(self._watchers)

    def end(self) -> None:
        """Nobody waits any longer."""
        self._ending = True
        for request_id in list(self._watchers):
            self.settle(request_id)
