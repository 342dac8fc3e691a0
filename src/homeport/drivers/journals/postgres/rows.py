# SPDX-License-Identifier: Apache-2.0
"""Records to rows and back, and the two clocks between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from homeport.drivers import requestrow
from homeport.drivers.journals.postgres.session import Connection
from homeport.model.request import StoredRequest, StoredResponse, pack_headers

Row = tuple[Any, ...]
_STEADY_US = 250_000
_MEASURED_S = 60.0
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class Clocks:
    """Leases are kept in the server's time, so that machines whose clocks differ agree on which are over.

    The difference to ours is measured with each new connection, once a minute, and when our clock was set; what is
    less than a quarter of a second is the measurement's own and changes nothing.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._ahead_us: int | None = None
        self._set_at_us = 0
        self._next = 0.0

    def measure(self, connection: Connection, *, anew: bool = False) -> None:
        """Asks the server once a minute, when our clock was set, or `anew`."""
        now = time.monotonic()
        set_at_us = self._now_us() - int(now * 1e6)
        if now < self._next and abs(set_at_us - self._set_at_us) < _STEADY_US and not anew:
            return
        self._next, self._set_at_us = now + _MEASURED_S, set_at_us
        before = self._now_us()
        row = connection.execute(_NOW).fetchone()
        assert row is not None
        ahead = int(row[0]) - (before + self._now_us()) // 2
        if self._ahead_us is None or abs(ahead - self._ahead_us) > _STEADY_US:
            self._ahead_us = ahead

    def to_server(self, at_us: int) -> int:
        """0 is "not at all" and stays 0."""
        return at_us + (self._ahead_us or 0) if at_us else 0

    def to_caller(self, at_us: int) -> int:
        return at_us - (self._ahead_us or 0) if at_us else 0


def text(value: str) -> str:
    """As the database can hold it: no NUL, no half of a character."""
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def request_row(request: StoredRequest, clocks: Clocks) -> Row:
    """In the order of `statements.ACCEPT`."""
    body = request.body
    return (
        *(request.id, request.namespace, request.agent, request.method, text(request.target)),
        *(pack_headers(request.headers), body.inline, body.spool, body.size, request.state.value),
        *(request.accepted_at_us, text(request.key), request.fingerprint, request.attempts, request.fence),
        *(request.lease_owner, clocks.to_server(request.lease_until_us), clocks.to_server(request.not_before_us)),
        *(text(request.outcome), request.agent_id, text(request.lane), request.priority),
        *(clocks.to_server(request.deadline_us), request.once, request.hooks),
    )


def response_row(request_id: str, fence: int, response: StoredResponse) -> Row:
    """In the order of `statements.COMPLETE`."""
    body = response.body
    return (
        *(request_id, fence, response.status, text(response.reason), pack_headers(response.headers)),
        *(body.spool, body.size, response.at_us, body.inline),
    )


def stored(row: Row, clocks: Clocks) -> StoredRequest:
    """From the columns of `statements.ROW`."""
    return requestrow.stored(row, clocks.to_caller)
