# SPDX-License-Identifier: Apache-2.0
"""A health check gets an answer or gives up, whatever the agent sends."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from homeport.drivers.probes.http import HttpProbe
from homeport.model.workload import HealthCheck

HEALTH = HealthCheck(path="/health?deep=1", timeout=10.0)
IMPATIENT = HealthCheck(timeout=0.3)


@asynccontextmanager
async def agent(answer, listener=None):
    """An agent that answers each connection with bytes, or by a coroutine on its writer. Yields (port, requests)."""
    requests = []

    async def serve(reader, writer):
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    server = await (
        asyncio.start_unix_server(serve, sock=listener) if listener else asyncio.start_server(serve, "127.0.0.1", 0)
    )
    try:
        yield (0 if listener else server.sockets[0].getsockname()[1]), requests
    finally:
        server.close()


async def ask(answer, health=HEALTH):
    async with agent(answer) as (port, _):
        return await HttpProbe().check(f"tcp:127.0.0.1:{port}", health)


@pytest.mark.parametrize("status", ["200 OK", "204", "302 Found", "404 Not Found", "500 Oops", "100", "599 x"])
async def test_success_and_redirect_are_healthy_and_the_rest_is_not(status):
    result = await ask(f"HTTP/1.1 {status}\r\n\r\n".encode())
    assert result.ok == (status[0] in "23")
    assert status[0] == "1" or result.detail == status
    assert result.elapsed >= 0


async def test_the_request_is_one_that_every_server_understands():
    async with agent(b"HTTP/1.0 200 OK\r\n\r\n") as (port, requests):
        assert (await HttpProbe().check(f"tcp:127.0.0.1:{port}", HEALTH)).ok
    lines = requests[0].decode().split("\r\n")
    assert lines[0] == "GET /health?deep=1 HTTP/1.1"
    assert {"Host: localhost", "Connection: close"} <= set(lines)


async def test_interim_answers_are_passed_over():
    assert (await ask(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")).ok


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 20",
        b"\x00\xff" * 5000,
        b"A" * 100_000,
        b"HTTP/1.1 200" + b" " * 100_000 + b"\r\n",
        b"HTTP/2 200 OK\r\n",
        b"HTTP/1.1 999 OK\r\n\r\n",
        b"HTTP/1.1 200 \x1b[2Jgone\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 100 Continue\r\n" + b"A: b\r\n" * 1000,
    ],
)
async def test_garbage_is_unhealthy_and_does_not_reach_a_terminal(answer):
    result = await ask(answer)
    assert not result.ok
    assert result.detail.isprintable() and len(result.detail) < 200


async def test_endless_headers_after_a_good_status_cost_nothing():
    async def answer(writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: " + b"y" * 1000 + b"\r\n")
            await writer.drain()

    assert (await ask(answer)).ok


async def test_a_slow_drip_ends_with_the_time_limit():
    async def answer(writer):
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    result = await ask(answer, IMPATIENT)
    assert (result.ok, result.detail) == (False, "no answer within 0.3 s")


async def test_silence_ends_with_the_time_limit():
    async def answer(writer):
        await asyncio.Event().wait()

    assert "no answer" in (await ask(answer, IMPATIENT)).detail


async def test_nothing_there_is_said_in_words(tmp_path):
    probe = HttpProbe()
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        refused = await probe.check(f"tcp:127.0.0.1:{reserved.getsockname()[1]}", HEALTH)
    assert "connection refused" in refused.detail
    assert "not there" in (await probe.check(f"unix:{tmp_path}/none.sock", HEALTH)).detail
    for odd in ("", "http://127.0.0.1", "unix:relative", "tcp:127.0.0.1", "tcp::80x"):
        result = await probe.check(odd, HEALTH)
        assert not result.ok and "not an endpoint" in result.detail


@pytest.mark.parametrize("path", ["health", "/a b", "/a\r\nX: y", "/é"])
async def test_a_path_that_would_break_the_request_is_never_sent(path):
    async with agent(b"HTTP/1.1 200 OK\r\n\r\n") as (port, requests):
        result = await HttpProbe().check(f"tcp:127.0.0.1:{port}", HealthCheck(path=path))
    assert not result.ok and requests == []


async def test_without_a_path_it_is_enough_that_something_listens():
    async with agent(b"no HTTP at all") as (port, requests):
        result = await HttpProbe().check(f"tcp:127.0.0.1:{port}", HealthCheck(path=""))
    assert result.ok and requests == []


@pytest.mark.parametrize("depth", [0, 3])
async def test_unix_sockets_answer_however_long_their_path_is(tmp_path, depth):
    folder = tmp_path.joinpath(*["a" * 60] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    fd = os.open(folder, os.O_PATH)
    try:
        listener.bind(f"/proc/self/fd/{fd}/agent.sock")
    finally:
        os.close(fd)
    async with agent(b"HTTP/1.1 200 OK\r\n\r\n", listener):
        assert (await HttpProbe().check(f"unix:{folder}/agent.sock", HEALTH)).detail == "200 OK"


async def test_a_hundred_probes_at_once_leave_no_connection_open():
    async with agent(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        before = len(list(Path("/proc/self/fd").iterdir()))
        results = await asyncio.gather(*(HttpProbe().check(f"tcp:127.0.0.1:{port}", HEALTH) for _ in range(100)))
        assert all(result.ok for result in results)
        async with asyncio.timeout(20):
            while len(list(Path("/proc/self/fd").iterdir())) > before:
                await asyncio.sleep(0.01)
