# SPDX-License-Identifier: Apache-2.0
"""Receivers whose status is clear and whose body is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from homeport.gateway.webhooks import post
from homeport.gateway.webhooks.addresses import Border, networks
from homeport.gateway.webhooks.post import Answered, Poster


@asynccontextmanager
async def receiver(start: bytes, crumb: bytes, *, reset: bool = False) -> AsyncIterator[str]:
    """Answers with `start`, then with `crumb` for ever, or with a reset."""

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(start)
            await writer.drain()
            while crumb:
                await asyncio.sleep(0.02)
                writer.write(crumb)
                await writer.drain()
            await asyncio.sleep(0.1)
        except ConnectionError:
            pass
        finally:
            if reset:
                writer.transport.abort()
            writer.close()

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def told(url: str) -> Answered:
    return await Poster(Border(networks("127.0.0.0/8")), deadline_s=5.0).post(url, (), b"{}")


@pytest.mark.parametrize(
    ("start", "crumb", "reset"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"1\r\nx\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nno chunk", b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx", b"", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nx", b"", True),
    ],
    ids=["crumbs", "no end", "chunks", "broken", "cut", "reset"],
)
async def test_what_was_taken_is_not_sent_again_for_what_its_answer_goes_on_with(
    monkeypatch: pytest.MonkeyPatch, start: bytes, crumb: bytes, reset: bool
) -> None:
    monkeypatch.setattr(post, "BODY_S", 0.3)
    async with receiver(start, crumb, reset=reset) as url:
        assert (await told(url)).code == 200


async def test_a_head_in_crumbs_is_waited_for_to_the_deadline_only() -> None:
    async with receiver(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n") as url:
        poster = Poster(Border(networks("127.0.0.0/8")), deadline_s=0.5)
        assert await poster.post(url, (), b"{}") == Answered(0, "no answer within 0.5 s")
