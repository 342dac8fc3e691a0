# SPDX-License-Identifier: Apache-2.0
"""The killtest's WebSockets: what a lying gateway does is found, and what an honest one does is none."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
from bench.killtest import home  # noqa: E402
from bench.killtest.checker import Verdict, check  # noqa: E402
from bench.killtest.jobs import Job, job  # noqa: E402
from bench.killtest.ledger import Ledger, read  # noqa: E402
from bench.killtest.traffic import Callers  # noqa: E402
from bench.killtest.tunnel import cross  # noqa: E402

WHAT = replace(next(found for n in range(200) if (found := job("j", Random(n))).websocket), wanted=3)
SHAKEN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
FIRST = b'\x81\x12{"job":"j","n":1} '
NORMAL, AWAY = b"\x88\x02\x03\xe8", b"\x88\x02\x03\xe9"
DONE = {"agent": "exact", "n": 1, "job": "j", "size": 0, "crc": 0}


@asynccontextmanager
async def gateway(says: bytes) -> AsyncIterator[int]:
    """Says it to everybody, and ends; its port."""

    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(says)
        writer.write_eof()
        await _ended(reader)
        writer.transport.abort()
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await over.wait()
    finally:
        server.close()
        await server.wait_closed()


async def _ended(reader: asyncio.StreamReader) -> None:
    try:
        await reader.read()
    except OSError:
        pass


async def judged(says: bytes, tmp_path: Path, *executions: dict[str, Any]) -> tuple[Verdict, dict[str, int]]:
    ledger = Ledger(str(tmp_path / "clients"), sync=False)
    async with gateway(says) as port:
        callers = Callers(port, ledger, "seed", 0)
        await callers._send(WHAT, None)  # type: ignore[arg-type]  # a WebSocket has a connection of its own
    ledger.close()
    return check(read(tmp_path / "clients"), executions), dict(callers.tunnels)


async def test_a_whole_one_is_no_defect(tmp_path: Path) -> None:
    verdict, tunnels = await judged(SHAKEN + FIRST + b"\x81\x01a\x81\x01b" + NORMAL, tmp_path, DONE)
    assert verdict.clean
    assert tunnels == {"whole": 1}


async def test_a_clean_close_before_the_end_is_found(tmp_path: Path) -> None:
    verdict, _ = await judged(SHAKEN + FIRST + NORMAL, tmp_path, DONE)
    assert verdict.cut_as_clean == ["j: 1 of 3 came, and it ended as if it were whole"]


@pytest.mark.parametrize(
    "end", [b"", AWAY, b"\x81", b"\x81\x09half"], ids=["no close", "1001", "half a head", "half a frame"]
)
async def test_an_honest_cut_is_none(end: bytes, tmp_path: Path) -> None:
    verdict, tunnels = await judged(SHAKEN + FIRST + end, tmp_path, DONE)
    assert verdict.clean
    assert tunnels == {"cut": 1}


async def test_a_handshake_that_reached_the_agent_twice_is_found_however_it_ended(tmp_path: Path) -> None:
    verdict, _ = await judged(SHAKEN + FIRST, tmp_path, DONE, {**DONE, "n": 2})
    assert verdict.duplicated == ["j was executed 2 times (exact:1, exact:2)"]


async def test_an_answer_that_no_agent_gave_is_found(tmp_path: Path) -> None:
    verdict, _ = await judged(SHAKEN + FIRST + b"\x81\x01a\x81\x01b" + NORMAL, tmp_path)
    assert len(verdict.lost) == 1


async def test_a_refusal_is_neither_a_cut_nor_a_promise(tmp_path: Path) -> None:
    verdict, tunnels = await judged(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", tmp_path)
    assert verdict.clean
    assert tunnels == {"refused": 1}


async def test_the_agent_of_the_killtest_says_what_it_was_asked_for_and_closes_in_order(tmp_path: Path) -> None:
    path, ledger = tmp_path / "socket", tmp_path / "ledger"
    child = home.started([sys.executable, "-S", "-E", "-s", str(home.PROGRAM), str(path), str(ledger), "exact"])
    try:
        while not await home._answers(path):
            await asyncio.sleep(0.01)
        async with _tcp_to(path) as port:
            crossed = await cross(port, _with_events(5), "token")
        assert (crossed.status, crossed.code, crossed.n, crossed.got) == (101, 1000, 1, 5)
    finally:
        child.kill()
        child.wait()
    assert [line["job"] for line in read(ledger)] == ["j"]


def _with_events(number: int) -> Job:
    return replace(WHAT, wanted=number, query=f"before=0&after=0&size=0&events={number}&gap=1")


@asynccontextmanager
async def _tcp_to(path: Path) -> AsyncIterator[int]:
    """A port that is the agent's socket, with the target as a gateway gives it."""
    over = asyncio.Event()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data.replace(b"/agent/exact/", b"/"))
        except OSError:
            pass
        writer.transport.abort()
        other.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_agent, to_agent = await asyncio.open_unix_connection(path)
        await asyncio.gather(copy(reader, to_agent, writer), copy(from_agent, writer, to_agent))
        over.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
        await over.wait()
    finally:
        server.close()
        await server.wait_closed()
