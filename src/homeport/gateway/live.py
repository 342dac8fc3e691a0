# SPDX-License-Identifier: Apache-2.0
"""An event stream while it passes, for those who read it later than it came."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from homeport.gateway.core.events import EventLimits, EventLog
from homeport.gateway.core.message import ResponseHead
from homeport.model.request import Headers

LONELY_S = 30.0
"""Seconds that a stream goes on which nobody reads, if it was asked for by GET: what is only looked at ends so."""
DROPPED = b"X-Homeport-Events-Dropped"
"""Of a stored stream whose beginning was not kept: how many events that was."""


class LiveStream:
    """`returned` is called when a client comes back for it: the one before may be gone without a word."""

    def __init__(self, head: ResponseHead, limits: EventLimits, returned: Callable[[], None]) -> None:
        self.head = head
        self.returned = returned
        self.limits = limits
        self.log = EventLog(limits)
        self.ended = False
        self.whole = False
        self.readers = 0
        self.heard = time.monotonic()
        """When somebody was last seen to read it."""
        self._changed: asyncio.Future[None] | None = None

    def feed(self, data: bytes) -> None:
        self.log.feed(data)
        self._tell()

    def end(self, *, whole: bool) -> None:
        if not self.ended:
            self.ended, self.whole = True, whole
            self.log.finish()
            self._tell()

    async def changed(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def tail(self) -> tuple[bytes, Headers]:
        """What is held of it, and a header that says how much is not."""
        held = self.log.since(self.log.dropped)
        return b"".join(held or ()), ((DROPPED, b"%d" % self.log.dropped if held is not None else b"all"),)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None
