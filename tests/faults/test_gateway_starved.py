# SPDX-License-Identifier: Apache-2.0
"""Too many connections, no files left, clients that hardly read: a clear word to the next one, and well again after."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import socket
from pathlib import Path

import pytest

from gateway_process import GatewayProcess, echo, gateway_process
from gateway_rig import TOKEN, Agent, Client, Seen, request, until
from homeport.errors import Unavailable
from homeport.model.route import Grant, RoutingTable


async def let_in(process: GatewayProcess, agent: Agent, **route: object) -> None:
    """TCP with a token."""
    grant = Grant(hashlib.sha256(TOKEN.encode()).hexdigest(), "tok_1", "default", ("*",))
    await process.control.put_routes(RoutingTable(2, (echo(agent, **route),), (grant,)))


async def connect(process: GatewayProcess) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", process.port))


async def ask(process: GatewayProcess, name: str = "") -> tuple[int, bytes]:
    """By TCP. 0 where the connection ended without an answer."""
    client = await connect(process)
    try:
        client.send(request("POST", f"/agent/echo/{name}", b"x"))
        answer = await client.answer()
        return answer.status, answer.body
    except (OSError, EOFError):
        return 0, b""
    finally:
        client.close()


def number(text: str, name: str) -> float:
    [found] = [line for line in text.splitlines() if line.startswith(f"homeport_gateway_{name} ")]
    return float(found.rpartition(" ")[2])


async def test_one_connection_too_many_is_told_so_and_the_others_go_on(tmp_path: Path) -> None:
    environ = {"HOMEPORT_GATEWAY_CONNECTIONS": "20"}
    async with gateway_process(tmp_path, environ=environ) as (process, agent):
        await let_in(process, agent)
        held = [await connect(process) for _ in range(20)]
        for client in held:
            client.send(request())
            assert (await client.answer()).status == 200
        for _ in range(5):
            late = await connect(process)
            late.send(request("POST", body=b"x" * 1000))
            refused = await late.answer()
            assert (refused.status, refused.get("retry-after")) == (503, "2")
            assert "20 connections" in refused.json()["error"]["message"]
            assert await late.reader.read() == b""
            late.close()
        text = await process.control.metrics()
        assert number(text, 'refused_total{reason="too_many_connections",code="503"}') == 5
        assert number(text, "connections_limit") == 20
        held[0].send(request())
        assert (await held[0].answer()).status == 200
        for client in held[:3]:
            client.close()

        async def room() -> bool:
            return (await ask(process))[0] == 200

        await until(room)
        for client in held:
            client.close()
        assert all(seen.method in ("GET", "POST") for seen in agent.seen)


@pytest.mark.parametrize("wanted", ["0", "-1", "many", "1e3", "99999999"])
async def test_a_bound_that_is_none_is_refused_at_the_start(tmp_path: Path, wanted: str) -> None:
    process = GatewayProcess(tmp_path / "home", HOMEPORT_GATEWAY_CONNECTIONS=wanted)
    code, said = await process.refuses()
    process.close()
    assert code == 2
    assert "HOMEPORT_GATEWAY_CONNECTIONS must be a number" in said


async def test_no_more_connections_are_taken_than_there_are_files_for(tmp_path: Path) -> None:
    async with gateway_process(tmp_path, concurrency=500) as (process, agent):
        await process.end()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        process.before = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        await process.start()
        await let_in(process, agent, concurrency=500)
        most = int(number(await process.control.metrics(), "connections_limit"))
        assert 20 < most < 100
        found = await asyncio.gather(*(ask(process, f"{n}") for n in range(300)))
        assert {status for status, _ in found} <= {200, 503, 0}
        assert [status for status, _ in found].count(200) >= most
        executed = [seen.target for seen in agent.seen]
        for n, (status, _) in enumerate(found):
            assert executed.count(f"/{n}") == (status == 200), status

        async def room() -> bool:
            return (await ask(process, "after"))[0] == 200

        await until(room)


async def test_a_gateway_without_any_file_left_refuses_and_recovers(tmp_path: Path) -> None:
    """Not by connections: the limit falls below what is open."""
    async with gateway_process(tmp_path) as (process, agent):
        await let_in(process, agent)
        kept = await connect(process)
        kept.send(request())
        assert (await kept.answer()).status == 200
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        files = [int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (max(files) + 1, most))
        for n in range(20):
            async with asyncio.timeout(10):
                assert (await ask(process, f"{n}"))[0] in (0, 202, 503)
        kept.send(request("POST", body=b"x" * 400_000))
        refused = await kept.answer()
        assert refused.status == 503, refused.body
        assert "open files" in refused.body.decode()
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))

        async def well() -> bool:
            return (await ask(process, "after"))[0] == 200

        await until(well)
        kept.close()
        assert "Traceback" not in process.said()
        assert process.said().count("\n") < 50


async def test_an_agent_that_cannot_be_reached_for_want_of_files_is_no_broken_agent(tmp_path: Path) -> None:
    async with gateway_process(tmp_path) as (process, agent):
        client = await process.connect()
        client.send(request(path="/agent/nobody/", token=""))
        assert (await client.answer()).status == 404
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        files = {int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
        lowest = next(n for n in range(max(files) + 2) if n not in files)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (lowest, most))
        told = []
        for n in range(8):
            client.send(request("POST", f"/agent/echo/{n}", b"x", token=""))
            told.append(await client.answer())
        assert {answer.status for answer in told} == {202}
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))

        async def done() -> bool:
            return set((await process.states()).values()) == {"completed"}

        await until(done)
        assert sorted(seen.target for seen in agent.seen) == [f"/{n}" for n in range(8)]
        client.close()


def memory(pid: int) -> int:
    """Resident bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


async def test_a_thousand_clients_that_hardly_read_cost_bounded_memory(tmp_path: Path) -> None:
    """Each is owed 1 MB. What they do not read is not read from the agent either."""
    readers, size = 1000, 1_000_000

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"z" * 65536
        for start in range(0, size, len(piece)):
            writer.write(piece[: size - start])
            await writer.drain()
        return True

    async with gateway_process(tmp_path, concurrency=2000) as (process, agent):
        agent.behave = behave
        await let_in(process, agent, concurrency=2000)
        before = memory(process.pid)
        clients = []
        for n in range(readers):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", process.port))
            await asyncio.get_running_loop().sock_sendall(sock, request(path=f"/agent/echo/{n}"))
            clients.append(sock)

        def taken() -> bool:
            return len(agent.seen) >= readers

        await until(taken, 60)

        async def at_rest() -> bool:
            then = memory(process.pid)
            await asyncio.sleep(0.2)
            return abs(memory(process.pid) - then) < 2**20

        await until(at_rest, 30)
        grown = memory(process.pid) - before
        assert grown < 250 * 2**20, f"{grown / readers / 1024:.0f} KiB a client"
        assert await process.answers()
        for sock in clients:
            sock.close()
        agent.behave = None

        async def well() -> bool:
            try:
                return (await ask(process, "after"))[0] == 200
            except Unavailable:
                return False

        await until(well, 30)
