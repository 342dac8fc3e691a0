# SPDX-License-Identifier: Apache-2.0
"""Everything in one archive, as it is made."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from homeport.api.bodies import read_body
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns

router = APIRouter(prefix="/backup", tags=["server"])


@dataclass(frozen=True, slots=True)
class Backup:
    """`volumes`: whose data, `NAME` or `NAMESPACE/NAME`; null all of them, [] none.

    The installation's key goes along under `passphrase`, in clear with `with_key`, else not.
    """

    volumes: tuple[str, ...] | None = None
    passphrase: str = field(default="", repr=False)
    with_key: bool = False


@router.post("", summary="A backup of this server, while it serves: a gzipped tar. Only on the server's Unix socket")
@returns(bytes, takes=Backup)
async def backup(request: Request, control: Ask, caller: Caller) -> Response:
    """The last member is `manifest.json`; where something failed meanwhile it is `error.json` instead."""
    wish = await read_body(request, Backup)
    pieces = control.backup(caller, volumes=wish.volumes, passphrase=wish.passphrase, with_key=wish.with_key)
    first = await anext(pieces)
    return StreamingResponse(_all(first, pieces), media_type="application/gzip")


async def _all(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in pieces:
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
