# SPDX-License-Identifier: Apache-2.0
"""Records as they come, until the server ends the stream or somebody closes it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

from homeport.client.transport import TIMEOUT_S, Query, Transport
from homeport.errors import error_from_dict
from homeport.model.codec import from_builtins

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator over NDJSON. `close` may be called from another thread: it ends a `next` that waits.

    Raises the server's error if that ends the stream, and `Unavailable` when the connection is lost or silent for
    longer than the server ever is. With `idle_s` it simply ends after so many seconds without a byte.
    """

    def __init__(
        self, transport: Transport, path: str, query: Query, cls: type[T], *, idle_s: float | None = None
    ) -> None:
        self._cls, self._absent, self._idle = cls, transport.absent, idle_s
        self._closed = False
        self._reading = threading.Lock()
        connection, self._response = transport.open(
            "GET", path, query=query, headers={"Accept": "application/x-ndjson"}
        )
        # http.client lets go of the socket as soon as the answer says that it is the last; the response still reads it.
        self._socket: socket.socket = connection.sock or self._response.fp.raw._sock  # type: ignore[attr-defined]
        self._connection = connection
        self._socket.settimeout(idle_s or TIMEOUT_S)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._reading:
            while not self._closed:
                line = self._line()
                if line is None:
                    break
                if line.strip():
                    return self._record(line)
        self.close()
        raise StopIteration

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was gone already
        with self._reading:
            self._response.close()
            self._connection.close()

    def _line(self) -> bytes | None:
        try:
            return self._response.readline() or None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self._closed or (self._idle is not None and isinstance(error, TimeoutError)):
                return None
            raise self._absent(error if isinstance(error, OSError) else ConnectionError("connection lost")) from None

    def _record(self, line: bytes) -> T:
        data = json.loads(line)
        if isinstance(data, dict) and data.keys() == {"error"}:
            raise error_from_dict(data["error"])
        return from_builtins(data, self._cls)
