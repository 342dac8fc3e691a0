# SPDX-License-Identifier: Apache-2.0
"""One WebSocket from a caller's side, by hand: what came before it ended, and how it ended."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

from bench.killtest.jobs import Job

SHAKE_S, QUIET_S = 60.0, 60.0
_TEXT, _CLOSE = 1, 8
GOING_AWAY, ABNORMAL = 1001, 1006
"""As RFC 6455 has them: a gateway that stops; a connection that ended without a Close frame."""


@dataclass
class Crossed:
    """`status` of the handshake; `code` of the Close frame; messages that came, `n` the execution that the first names.

    A handshake that was not answered has status 0.
    """

    status: int = 0
    code: int = ABNORMAL
    n: int = 0
    got: int = 0


async def cross(port: int, what: Job, token: str) -> Crossed:
    """Answers each message with one. Never raises: what was cut is an ending like others."""
    crossed = Crossed()
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(what.raw(token))
        async with asyncio.timeout(SHAKE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        crossed.status = int(head.split(b" ", 2)[1])
        while crossed.status == 101:
            async with asyncio.timeout(QUIET_S):
                kind, payload = await read_frame(reader)
            if kind == _CLOSE:
                crossed.code = int.from_bytes(payload[:2], "big")
                writer.write(masked(_CLOSE, payload))
                break
            crossed.got += 1
            if crossed.got == 1:
                said = json.loads(payload)
                crossed.n = said["n"] if said["job"] == what.name else 0
            writer.write(masked(_TEXT, payload))
    except (OSError, EOFError, TimeoutError, ValueError, KeyError):
        pass
    finally:
        if writer is not None:
            writer.transport.abort()
    return crossed


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Opcode and payload of one that is not masked. A frame that is not whole raises EOFError."""
    first, second = await reader.readexactly(2)
    if not first & 0x80 or second & 0x80:
        raise ValueError("no whole message of a server")
    size = second
    if second == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif second == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    return first & 0x0F, await reader.readexactly(size)


def masked(kind: int, payload: bytes) -> bytes:
    """A frame of a client, of at most 125 bytes."""
    mask = os.urandom(4)
    return bytes((0x80 | kind, 0x80 | len(payload))) + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
