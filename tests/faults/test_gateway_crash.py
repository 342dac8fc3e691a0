# SPDX-License-Identifier: Apache-2.0
"""The gateway's process is killed, fills the disk, is stopped: what was promised is kept."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway_rig import Agent, Client, Seen, request, until
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.model.route import Route, RoutingTable
from homeport.model.workload import Delivery
from homeport.sockets import short_path

FINISHED = {"completed", "dead", "failed"}


class Process:
    """`python -m homeport.serve.gateway` on a state folder; restarted at will."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.socket = home / "run" / "gateway.sock"
        self.control = GatewayControl(self.socket)
        self.child: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{probe.getsockname()[1]}"

    async def start(self) -> None:
        self.spawn()
        await until(self.answers, 60)

    def spawn(self) -> None:
        environ = dict(os.environ, HOMEPORT_HOME=str(self.home), HOMEPORT_GATEWAY_LISTEN=self.listen)
        self.child = subprocess.Popen(
            [sys.executable, "-m", "homeport.serve.gateway"], env=environ, stdin=subprocess.DEVNULL
        )

    async def answers(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, "the gateway ended by itself"
        try:
            return bool(await self.control.status())
        except Unavailable:
            return False

    async def end(self, number: int = signal.SIGKILL) -> int:
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(number)
        return await asyncio.to_thread(self.child.wait, 60)

    async def connect(self) -> Client:
        with short_path(str(self.socket)) as path:
            return Client(*await asyncio.open_unix_connection(path))

    async def call(self, raw: bytes, method: str = "GET") -> Any:
        client = await self.connect()
        try:
            client.send(raw)
            return await client.answer(method)
        finally:
            client.close()

    async def entries(self) -> list[dict[str, Any]]:
        return await self.control.requests(limit=1000)


@asynccontextmanager
async def house(home: Path, **route: Any) -> AsyncIterator[tuple[Process, Agent]]:
    process, agent = Process(home), Agent(home / "agent.sock")
    home.mkdir(parents=True, exist_ok=True)
    await agent.start()
    await process.start()
    try:
        made = Route("default", "echo", "agt_1", f"unix:{agent.path}", "ins_1", ready=True, **route)
        await process.control.put_routes(RoutingTable(1, (made,), ()))
        yield process, agent
    finally:
        await process.end()
        await agent.stop()


class Ledger:
    """What an agent that honours keys did, and how often."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self._answers: dict[str, bytes] = {}

    async def behave(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        name = seen.target
        key = (seen.get("idempotency-key") or [""])[0]
        if not key or key not in self._answers:
            self.done[name] += 1
            self._answers[key] = name.encode()
            await asyncio.sleep(0.002)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name.encode()))
        return True


async def _caller(process: Process, n: int, told: dict[str, int], stop: asyncio.Event) -> None:
    """Sends request after request, keyed ones and others; a keyed one is repeated until it has an answer."""
    turn = 0
    while not stop.is_set():
        turn += 1
        name = f"/{n}-{turn}"
        keyed = turn % 2 == 0
        raw = request("POST", f"/agent/echo{name}", b"x", token="", **({"Idempotency_Key": name} if keyed else {}))
        while True:
            try:
                answer = await process.call(raw)
            except (OSError, EOFError):
                answer = None
            if answer is not None and answer.status in (200, 202, 502):
                told[name] = answer.status
                break
            if not keyed or stop.is_set():
                break
            await asyncio.sleep(0.02)


async def test_a_gateway_killed_in_the_middle_of_traffic_loses_nothing_and_repeats_nothing(tmp_path) -> None:
    told: dict[str, int] = {}
    ledger = Ledger()
    async with house(tmp_path / "home", honours_keys=True) as (process, agent):
        agent.behave = ledger.behave
        stop = asyncio.Event()
        callers = [asyncio.create_task(_caller(process, n, told, stop)) for n in range(6)]
        for round_ in range(3):
            await until(lambda mark=len(told) + 40: len(told) >= mark, 60)
            await process.end()
            await process.start()
            assert (await process.control.status())["revision"] == 1, f"routes are lost in round {round_}"
        await until(lambda mark=len(told) + 40: len(told) >= mark, 60)
        stop.set()
        await asyncio.gather(*callers)

        async def settled() -> bool:
            counts = (await process.control.status())["requests"]
            return not counts["pending"] and not counts["in_flight"]

        await until(settled, 60)
        states = {}
        after = ""
        while page := await process.control.requests(limit=1000, after=after):
            states |= {entry["target"]: entry["state"] for entry in page}
            after = page[-1]["id"]
        for name, status in told.items():
            assert states.get(name) in FINISHED, f"{name} was told {status} and is {states.get(name)}"
            if status == 200:
                assert ledger.done[name] == 1
        assert [name for name, times in ledger.done.items() if times > 1] == []
        assert set(states.values()) <= FINISHED


async def test_promised_while_the_agent_was_away_and_kept_by_the_next_gateway(tmp_path) -> None:
    async with house(tmp_path / "home") as (process, agent):
        await agent.stop()
        told = await process.call(request("POST", body=b"abc", token=""))
        assert told.status == 202
        await process.end()
        await agent.start()
        await process.start()
        answer = await process.call(request(path=told.json()["status_url"] + "/response", token="", Prefer="wait=30"))
        assert (answer.status, answer.json()["bytes"]) == (200, 3)


async def test_an_agent_killed_mid_request_answers_on_the_same_connection_after_its_restart(tmp_path) -> None:
    async with house(tmp_path / "home", delivery=Delivery.AT_LEAST_ONCE) as (process, agent):
        taken = asyncio.Event()

        async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
            taken.set()
            await asyncio.sleep(3600)
            return True

        agent.behave = behave
        client = await process.connect()
        client.send(request("POST", body=b"abc", token=""))
        await taken.wait()
        agent.behave = None
        await agent.stop()
        made = Route("default", "echo", "agt_1", delivery=Delivery.AT_LEAST_ONCE, reason="restarting")
        await process.control.put_routes(RoutingTable(2, (made,), ()))
        await agent.start()
        endpoint = f"unix:{agent.path}"
        made = Route("default", "echo", "agt_1", endpoint, "ins_2", ready=True, delivery=Delivery.AT_LEAST_ONCE)
        await process.control.put_routes(RoutingTable(3, (made,), ()))
        answer = await client.answer()
        assert (answer.status, answer.json()["bytes"]) == (200, 3)
        client.close()
        for task in asyncio.all_tasks():
            if "_client" in repr(task.get_coro()):
                task.cancel()


async def test_sigterm_lets_what_is_in_flight_end(tmp_path) -> None:
    async with house(tmp_path / "home") as (process, agent):
        taken, go_on = asyncio.Event(), asyncio.Event()

        async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
            taken.set()
            await go_on.wait()
            return False

        agent.behave = behave
        client = await process.connect()
        client.send(request("POST", body=b"abc", token=""))
        await taken.wait()
        assert process.child is not None
        process.child.send_signal(signal.SIGTERM)

        async def refuses() -> bool:
            try:
                (await asyncio.open_connection(*process.listen.split(":")))[1].close()
            except OSError:
                return True
            return False

        await until(refuses)
        go_on.set()
        assert (await client.answer()).json()["bytes"] == 3
        client.close()
        assert await process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("size", [30_000, 400_000], ids=["in the journal", "in the spool"])
async def test_a_full_disk_is_a_507_and_nothing_is_half_accepted(tmp_path, size: int) -> None:
    async with house(tmp_path / "home") as (process, agent):
        assert (await process.call(request("POST", body=b"x", token=""))).status == 200
        before = {entry["id"] for entry in await process.entries()}
        assert process.child is not None
        biggest = max(file.stat().st_size for file in (tmp_path / "home" / "state").iterdir() if file.is_file())
        _, most = resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (biggest + 8192, most))
        refused = [await process.call(request("POST", body=b"x" * size, token="")) for _ in range(3)]
        assert [answer.status for answer in refused] == [507] * 3
        assert refused[0].json()["error"]["hint"]
        assert {entry["id"] for entry in await process.entries()} == before
        assert len(agent.seen) == 1
        resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (most, most))
        assert (await process.call(request("POST", body=b"x" * size, token=""))).status == 200
        assert not list((tmp_path / "home" / "state" / "spool").glob("*.request")) or size > 262_144


async def test_a_second_gateway_on_the_same_state_says_who_is_in_its_way(tmp_path) -> None:
    async with house(tmp_path / "home") as (process, _):
        environ = dict(os.environ, HOMEPORT_HOME=str(process.home), HOMEPORT_GATEWAY_LISTEN="127.0.0.1:0")
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "homeport.serve.gateway"],
            env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "another process owns the journal" in second.stderr
        assert "hint:" in second.stderr
        assert await process.answers()


async def test_credentials_are_sealed_with_the_keys_of_this_installation(tmp_path) -> None:
    async with house(tmp_path / "home") as (process, agent):
        await agent.stop()
        told = await process.call(request("POST", token="", Authorization="Bearer SECRET"))
        await process.end()
        stored = b"".join(path.read_bytes() for path in (tmp_path / "home" / "state").glob("journal.db*"))
        assert b"SECRET" not in stored
        await agent.start()
        await process.start()
        answer = await process.call(request(path=told.json()["status_url"] + "/response", token="", Prefer="wait=30"))
        assert answer.status == 200
        assert agent.seen[0].get("authorization") == ["Bearer SECRET"]
