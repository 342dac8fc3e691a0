# SPDX-License-Identifier: Apache-2.0
"""Agents that do not read, answer too late, or close a kept connection at the worst moment."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_process import GatewayProcess
from gateway_rig import request, until
from homeport.gateway.sockets.addresses import listen_unix
from homeport.model.route import Route, RoutingTable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def house(folder: Path, serve: Serve) -> AsyncIterator[GatewayProcess]:
    """A gateway whose agent `echo` treats each connection so; none of them outlives the test."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.transport.abort()

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(one(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    process = GatewayProcess(folder / "home")
    server = await asyncio.start_unix_server(come, sock=listen_unix(folder / "agent.sock"))
    try:
        await process.start()
        route = Route("default", "echo", "agt_1", f"unix:{folder / 'agent.sock'}", "ins_1", ready=True)
        await process.control.put_routes(RoutingTable(1, (route,), ()))
        yield process
    finally:
        await process.end()
        process.close()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def read_request(reader: asyncio.StreamReader) -> str:
    """Its target."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
    await reader.readexactly(length)
    return head.split(" ")[1]


def post(name: str, size: int = 1, **headers: str) -> bytes:
    return request("POST", f"/agent/echo/{name}", b"x" * size, token="", **headers)


def memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


async def test_an_agent_that_never_reads_is_given_up_at_the_deadline_and_costs_no_memory(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await ended.wait()
        finally:
            writer.transport.abort()

    async with house(tmp_path, serve) as process:
        before = memory(process.pid)
        answer = await process.call(post("deaf", 40_000_000, X_Homeport_Deadline="1.5"))
        assert answer.status == 504, answer.body
        assert memory(process.pid) - before < 20 * 2**20
        assert await process.states() == {"/deaf": "dead"}
        ended.set()


async def test_an_answer_after_the_deadline_is_nobodys(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            name = await read_request(reader)
            if name == "/late":
                await go_on.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
            else:
                writer.write(OK)

    async with house(tmp_path, serve) as process:
        client = await process.connect()
        client.send(post("late", X_Homeport_Deadline="0.3"))
        assert (await client.answer()).status == 504
        go_on.set()
        for n in range(5):
            client.send(post(f"{n}"))
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b"ok")
        client.close()
        assert (await process.states())["/late"] == "dead"


async def test_a_kept_connection_that_is_closed_at_any_moment_repeats_nothing_and_loses_nothing(tmp_path: Path) -> None:
    """Closed with its answer, a moment after it, in the middle of the next request, or after reading that."""
    executed: Counter[str] = Counter()
    turn = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        turn += 1
        how = turn % 4
        executed[await read_request(reader)] += 1
        writer.write(OK)
        await writer.drain()
        if how == 1:
            await asyncio.sleep(0.001)
        elif how == 2:
            await reader.readexactly(10)
        elif how == 3:
            executed[await read_request(reader)] += 1

    async with house(tmp_path, serve) as process:
        client = await process.connect()
        told = {}
        for n in range(120):
            method = "PUT" if n % 2 else "POST"
            client.send(request(method, f"/agent/echo/{method}-{n}", b"x", token=""))
            answer = await client.answer()
            told[f"/{method}-{n}"] = answer.status
        client.close()

        async def settled() -> bool:
            return "in_flight" not in (await process.states()).values()

        await until(settled)
        states = await process.states()
        for name, status in told.items():
            if name.startswith("/PUT"):  # may be repeated, and is
                assert (status, states[name]) == (200, "completed")
            else:
                assert executed[name] <= 1, name
                assert (status, states[name]) in ((200, "completed"), (502, "dead"))
                assert executed[name] == 1 or status == 502
        assert list(told.values()).count(200) > 60


async def test_an_agent_that_half_closes_before_it_answers_is_waited_for(tmp_path: Path) -> None:
    """It may still say something on its side; one that ends its side says no more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name = await read_request(reader)
        if name == "/mute":
            writer.write_eof()
            await reader.read()
        else:
            writer.write(OK[:-1])
            await writer.drain()
            writer.write(OK[-1:])
            writer.write_eof()
            await reader.read()

    async with house(tmp_path, serve) as process:
        mute = await process.call(post("mute"))
        assert (mute.status, mute.json()["status"]) == (502, "dead")
        for n in range(3):
            assert (await process.call(post(f"{n}"))).body == b"ok"


async def test_an_answer_in_crumbs_is_the_same_answer(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            for byte in OK:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)

    async with house(tmp_path, serve) as process:
        for n in range(3):
            assert (await process.call(post(f"{n}"))).body == b"ok"


async def test_an_agent_that_answers_without_end_is_cut_at_the_deadline_and_the_disk_is_free_again(
    tmp_path: Path,
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"z" * 65536 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with house(tmp_path, serve) as process:
        client = await process.connect()
        client.send(post("endless", X_Homeport_Deadline="1"))
        size = 0
        try:
            while data := await client.reader.read(65536):
                size += len(data)
        except ConnectionError:
            pass
        client.close()
        assert size > 65536

        async def dead() -> bool:
            return (await process.states())["/endless"] == "dead"

        await until(dead)
        assert list((tmp_path / "home" / "state" / "spool").iterdir()) == []
