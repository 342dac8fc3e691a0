# SPDX-License-Identifier: Apache-2.0
"""The probe: connect, one request, one status line."""

from __future__ import annotations

import asyncio
import re
import time

from homeport.interfaces.probe import ProbeResult
from homeport.model.workload import HealthCheck
from homeport.sockets import dial

_LINE_LIMIT = 1024
"""Bytes of a status line. Ours are under 40."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([\x20-\x7e]*))?\r?\n")
_INTERIM = 3
"""1xx responses before the real one that are put up with."""


class HttpProbe:
    """`interfaces.probe.Probe`. Stateless: a connection of its own for each check, closed before it returns."""

    async def check(self, endpoint: str, health: HealthCheck) -> ProbeResult:
        began = time.monotonic()
        try:
            async with asyncio.timeout(health.timeout):
                ok, detail = await _ask(endpoint, health.path)
        except TimeoutError:
            ok, detail = False, f"no answer within {health.timeout:g} s"
        except ConnectionRefusedError:
            ok, detail = False, "connection refused: nothing listens there"
        except FileNotFoundError:
            ok, detail = False, "the socket is not there"
        except (OSError, ValueError, EOFError) as problem:
            ok, detail = False, f"{type(problem).__name__}: {problem}"
        return ProbeResult(ok, detail, time.monotonic() - began)


async def _ask(endpoint: str, path: str) -> tuple[bool, str]:
    request = _request(path) if path else b""
    reader, writer = await asyncio.open_connection(sock=await dial(endpoint), limit=_LINE_LIMIT)
    try:
        if not request:
            return True, "something listens there"
        writer.write(request)
        await writer.drain()
        for _ in range(_INTERIM + 1):
            status, text = await _status_line(reader)
            if status >= 200:
                return status < 400, text
            await _skip_headers(reader)
        raise ValueError("interim answers only")
    finally:
        # Abort, not close: what the agent still sends is nobody's, and waiting for it is what a slow one wants.
        writer.transport.abort()


def _request(path: str) -> bytes:
    """Raises ValueError for a path that would break the request line; it may come from a repository."""
    if not re.fullmatch(r"/[\x21-\x7e]*", path):
        raise ValueError(f"{path!r} is no path of a URL")
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: homeport-probe\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


async def _status_line(reader: asyncio.StreamReader) -> tuple[int, str]:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise ValueError("no HTTP answer: the first line does not end") from None
    except asyncio.IncompleteReadError as cut:
        raise ValueError("closed without an answer" if not cut.partial else "closed within the first line") from None
    found = _STATUS.fullmatch(line)
    if found is None:
        raise ValueError("no HTTP answer")
    reason = (found[2] or b"").decode("ascii").strip()[:60]
    return int(found[1]), f"{int(found[1])} {reason}".strip()


async def _skip_headers(reader: asyncio.StreamReader) -> None:
    for _ in range(32):
        try:
            if await reader.readuntil(b"\n") in (b"\r\n", b"\n"):
                return
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            break
    raise ValueError("no end of an interim answer")
