# SPDX-License-Identifier: Apache-2.0
"""Connecting to `unix:/path` and `tcp:host:port`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

_UNIX_LIMIT = 107
"""Bytes of a Unix socket's address on Linux, without the final zero (unix(7))."""


async def connect(endpoint: str, *, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError, or ValueError for what is neither kind. `limit`: bytes of a line."""
    kind, _, place = endpoint.partition(":")
    if kind == "unix" and place.startswith("/"):
        return await _connect_unix(Path(place), limit)
    host, _, port = place.rpartition(":")
    if kind == "tcp" and host and port.isdigit():
        return await asyncio.open_connection(host.strip("[]"), int(port), limit=limit)
    raise ValueError(f"{endpoint!r} is no endpoint: unix:/path or tcp:host:port")


async def _connect_unix(path: Path, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if len(os.fsencode(path)) <= _UNIX_LIMIT:
        return await asyncio.open_unix_connection(path, limit=limit)
    # Through the descriptor of its folder the address is short, wherever that is.
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}", limit=limit)
    finally:
        os.close(folder)
