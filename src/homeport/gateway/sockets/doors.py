# SPDX-License-Identifier: Apache-2.0
"""Who comes in while there is room, and a clear word to whoever comes when there is none."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import cast

from homeport.gateway.core.access import Refusal
from homeport.gateway.core.write import json_answer, response_head
from homeport.gateway.metrics.families import CONNECTIONS, CONNECTIONS_MOST, Reading
from homeport.gateway.sockets.clients import LINGER_S, ClientConnection, Service

USUAL, RESERVE = 10_000, 64
"""Connections of clients at once where nothing is said, and files that are kept for other than sockets."""
TOLD = 0.1
"""Of the files, how many may be with those who are turned away and read why; more of them are only cut off."""


def room(wanted: int = 0) -> tuple[int, int]:
    """How many connections there may be, and how many more that are told that there are no more.

    `wanted`, or the usual, but never more than this process has files for; half of those are left for agents, since
    each request under way needs one of its own.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    told = int(files * TOLD)
    return max(1, min(wanted or USUAL, (files - RESERVE - told) // 2)), told


class Doors:
    """Makes the connections of both listeners. The trusted one is never full: it is how a full gateway is looked at."""

    def __init__(self, service: Service, most: int, refused: Callable[[int, str], None]) -> None:
        self._service, self._refused = service, refused
        self.most, self._most_told = room(most)
        self._tcp: set[ClientConnection] = set()
        self._unix: set[ClientConnection] = set()
        self._told: set[TurnedAway] = set()

    @property
    def connections(self) -> list[ClientConnection]:
        """Those that are open."""
        return [*self._tcp, *self._unix]

    def tcp(self) -> asyncio.Protocol:
        if len(self._tcp) < self.most:
            return ClientConnection(self._service, self._tcp, trusted=False)
        self._refused(503, "too_many_connections")
        return TurnedAway(self._told, self.most, wait=len(self._told) < self._most_told)

    def unix(self) -> asyncio.Protocol:
        return ClientConnection(self._service, self._unix, trusted=True)

    def readings(self) -> list[Reading]:
        return [
            Reading(CONNECTIONS, len(self._tcp), {"listener": "tcp"}),
            Reading(CONNECTIONS, len(self._unix), {"listener": "unix"}),
            Reading(CONNECTIONS_MOST, self.most),
        ]


class TurnedAway(asyncio.Protocol):
    """Says 503 and why, and hears nothing."""

    def __init__(self, told: set[TurnedAway], most: int, *, wait: bool) -> None:
        """`wait`: until it is read; else it is only cut off."""
        self._told, self._most, self._wait = told, most, wait
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        if not self._wait:
            transport.abort()
            return
        self._told.add(self)
        message = f"this gateway has {self._most} connections, the most it may have"
        refusal = Refusal(
            503, "NoCapacity", message, "nothing was accepted: come again soon, keep fewer connections open"
        )
        head, body = json_answer(503, refusal.to_dict(), ((b"Retry-After", b"2"),))
        transport.write(response_head(head, method="GET", version="1.1", keep_alive=False)[0] + body)
        transport.write_eof()
        # Closing on unread input would reset the connection and could take the answer with it.
        self._end = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._told.discard(self)
        if self._end is not None:
            self._end.cancel()
