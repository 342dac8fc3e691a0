# SPDX-License-Identifier: Apache-2.0
"""Streams of records: NDJSON, or server-sent events for who accepts those.

A quiet stream says something every few seconds (an empty line, an SSE comment), so that both sides notice a dead one.
An error after the first line is a last line of its own: `{"error": …}`, or the SSE event `error`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeVar, cast

from fastapi import FastAPI, Request
from starlette.responses import Response, StreamingResponse

from homeport.api.errors import error_body
from homeport.errors import HomeportError
from homeport.model.codec import to_json

T = TypeVar("T")

HEARTBEAT_S = 10.0
FIRST_S = 0.5
"""How long a followed stream may hold back its headers, so that an early error still gets its status."""


def end_streams(app: FastAPI) -> None:
    """Every stream that is open ends after its current line. Call it when the server is asked to stop."""
    stopping_of(app).set()


def stopping_of(app: FastAPI) -> asyncio.Event:
    return cast(asyncio.Event, app.state.stopping)


async def stream(
    request: Request, records: AsyncIterator[T], *, follow: bool, name: Callable[[T], tuple[str, str]]
) -> Response:
    """`name` gives the SSE id ("" for none) and event name of a record. Raises what fails before the first record."""
    sse = "text/event-stream" in request.headers.get("Accept", "")
    source = aiter(records)
    first = asyncio.ensure_future(anext(source))
    try:
        await asyncio.wait([first], timeout=FIRST_S if follow else None)
        if first.done() and (error := first.exception()) and not isinstance(error, StopAsyncIteration):
            raise error
    except BaseException:
        first.cancel()
        await _close(source)
        raise

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            async for item in _items(first, source, stopping_of(request.app)):
                if item is None:
                    yield b":\n\n" if sse else b"\n"
                elif sse:
                    yield _event(*name(item), to_json(item))
                else:
                    yield to_json(item) + b"\n"
        except HomeportError as error:
            body = error_body(error)
            yield _event("", "error", body) if sse else body + b"\n"
        finally:
            await _close(source)

    kind = "text/event-stream" if sse else "application/x-ndjson"
    return StreamingResponse(chunks(), media_type=kind, headers={"X-Accel-Buffering": "no"})


async def _items(
    first: asyncio.Future[T], source: AsyncIterator[T], stopping: asyncio.Event
) -> AsyncGenerator[T | None, None]:
    """Records as they come; None after each quiet spell; the end when the server stops."""
    upcoming, stop = first, asyncio.ensure_future(stopping.wait())
    try:
        while not stop.done():
            waits: list[asyncio.Future[Any]] = [upcoming, stop]
            await asyncio.wait(waits, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
            if upcoming.done():
                try:
                    item = upcoming.result()
                except StopAsyncIteration:
                    return
                yield item
                upcoming = asyncio.ensure_future(anext(source))
            elif not stop.done():
                yield None
    finally:
        stop.cancel()
        upcoming.cancel()
        await asyncio.gather(upcoming, stop, return_exceptions=True)


async def _close(source: AsyncIterator[T]) -> None:
    if isinstance(source, AsyncGenerator):
        await source.aclose()


def _event(id: str, name: str, data: bytes) -> bytes:
    head = f"id: {id}\n" if id else ""
    head += f"event: {name}\n"
    return "".join(c for c in head if c == "\n" or c.isprintable()).encode() + b"data: " + data + b"\n\n"
