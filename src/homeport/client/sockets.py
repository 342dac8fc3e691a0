# SPDX-License-Identifier: Apache-2.0
"""HTTP connections: over a Unix socket of any path length, or TCP, with TLS where the URL says so."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from homeport.errors import UsageError
from homeport.sockets import short_path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connect_unix(self._path, self.timeout)


def connect_unix(path: Path, timeout: float | None) -> socket.socket:
    """Connect to a Unix socket. Raises `OSError`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with short_path(path) as name:
            sock.connect(name)
    except BaseException:
        sock.close()
        raise
    return sock


def connection_to(url: str, timeout: float | None) -> http.client.HTTPConnection:
    """For `http://host:port` or `https://host:port`. Raises `UsageError` for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.path not in ("", "/"):
        raise UsageError(
            "the server's URL cannot be used",
            operation="connect",
            hint="give http://host:port or https://host:port, without a path and without credentials",
        )
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)
