# SPDX-License-Identifier: Apache-2.0
"""A gateway replaced or killed under a real keeper while callers go on: what they see, and what the agent did."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway_rig import Agent, Client, Seen, request, until
from homeport.cli import server as own_server
from homeport.errors import Conflict, Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.model.route import Route, RoutingTable
from homeport.settings import load
from homeport.sockets import short_path
from homeport.testing.keepers import RunningKeeper, standin

_HURRIED = """
import sys
import homeport.serve.gateway as gateway
import homeport.gateway.service as service
gateway.NOTICE_S, service.GRACE_S = 0.3, 2.0
service.Gateway.stop.__defaults__ = (2.0,)
sys.exit(gateway.main())
"""
"""The gateway as it is, in more of a hurry to end."""
CALLERS = 16


class Ledger:
    """An agent that counts what it does; every twentieth takes a while."""

    def __init__(self, agent: Agent) -> None:
        self.done: Counter[str] = Counter()
        agent.behave = self._behave

    async def _behave(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        self.done[seen.target] += 1
        await asyncio.sleep(0.2 if self.done.total() % 20 == 0 else 0.002)
        body = seen.target.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True


@dataclass
class Callers:
    """Half of them keep their connection for as long as they are let, half make one for each request."""

    connect: Callable[[], Awaitable[Client]]
    told: dict[str, tuple[int, str]] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    refused: int = 0
    stop: bool = False

    async def call(self, number: int) -> None:
        client, turn = None, 0
        while not self.stop:
            turn += 1
            name = f"/{number}-{turn}"
            fresh = client is None
            try:
                client = client or await self.connect()
            except ConnectionRefusedError:
                self.refused += 1
                continue
            try:
                client.send(request("POST", f"/agent/echo{name}", b"x", token=""))
                answer = await client.answer("POST")
            except (OSError, EOFError):
                (self.cut if fresh else self.unread).add(name)
                client.close()
                client = None
                continue
            self.told[name] = answer.status, answer.get("x-homeport-request-id") or answer.json().get("id", "")
            assert answer.status != 200 or answer.body == name.encode()
            if number % 2 or (answer.get("connection") or "").lower() == "close":
                client.close()
                client = None
        if client is not None:
            client.close()


class House:
    def __init__(self, keeper: RunningKeeper, agent: Agent) -> None:
        self.keeper, self.agent = keeper, agent
        self.control = GatewayControl(keeper.paths.gateway_socket, timeout=30)
        self.settings = load(environ=keeper.environment)
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        with short_path(str(self.keeper.paths.gateway_socket)) as path:
            self.clients.append(Client(*await asyncio.open_unix_connection(path)))
        return self.clients[-1]

    async def pid(self) -> int:
        async def up() -> bool:
            try:
                return bool(await self.control.status())
            except Unavailable:
                return False

        await until(up, 30)
        return int((await self.control.status())["pid"])

    async def restart(self) -> dict[str, object]:
        return await asyncio.to_thread(own_server.restart, self.settings, "gateway")

    async def settled(self) -> bool:
        counts = (await self.control.status())["requests"]
        return not counts["pending"] and not counts["in_flight"]

    async def entries(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = {}
        after = ""
        while page := await self.control.requests(limit=1000, after=after):
            found |= {entry["target"]: entry for entry in page}
            after = page[-1]["id"]
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    agent = Agent(tmp_path / "agent.sock")
    await agent.start()
    children = {"gateway": [sys.executable, "-c", _HURRIED], "server": standin("api")}
    keeper = RunningKeeper(tmp_path / "home", children=children)
    try:
        assert await asyncio.to_thread(keeper.start) == "ready", keeper.said()
        made = House(keeper, agent)
        route = Route("default", "echo", "agt_1", f"unix:{agent.path}", "ins_1", ready=True, concurrency=CALLERS)
        await made.control.put_routes(RoutingTable(1, (route,), ()))
        yield made
        for client in made.clients:
            client.close()
    finally:
        await asyncio.to_thread(keeper.stop, 60)
        await agent.stop()


async def test_ten_restarts_under_load_refuse_nobody_and_lose_nothing(house: House) -> None:
    ledger, callers = Ledger(house.agent), Callers(house.connect)
    pids = {await house.pid()}
    tasks = [asyncio.create_task(callers.call(number)) for number in range(CALLERS)]
    for _ in range(10):
        before = len(callers.told)
        await house.restart()
        pids.add(await house.pid())
        await until(lambda before=before: len(callers.told) > before + CALLERS)
    callers.stop = True
    await asyncio.gather(*tasks)
    assert len(pids) == 11
    assert (callers.refused, callers.cut, callers.unread) == (0, set(), set())
    assert {status for status, _ in callers.told.values()} == {200}
    assert dict(ledger.done) == dict.fromkeys(callers.told, 1)
    await until(house.settled)
    assert {entry["state"] for entry in (await house.entries()).values()} == {"completed"}


async def test_a_killed_gateway_fails_only_what_was_under_way_and_says_what_became_of_it(house: House) -> None:
    ledger, callers = Ledger(house.agent), Callers(house.connect)
    tasks = [asyncio.create_task(callers.call(number)) for number in range(CALLERS)]
    for _ in range(3):
        before = len(callers.told)
        os.kill(await house.pid(), signal.SIGKILL)
        await house.pid()
        await until(lambda before=before: len(callers.told) > before + CALLERS)
    callers.stop = True
    await asyncio.gather(*tasks)
    assert callers.refused == 0
    assert len(callers.cut | callers.unread) <= 3 * CALLERS
    assert {status for status, _ in callers.told.values()} <= {200, 502}
    assert set(ledger.done.values()) == {1}, "a POST is never sent twice"
    entries = await house.entries()
    for name, (status, _) in callers.told.items():
        assert status != 200 or ledger.done[name] == 1
        assert name in entries
    for name in callers.cut | callers.unread:
        state = entries[name]["state"] if name in entries else "never accepted"
        assert state in ("completed", "dead", "never accepted")
        if state == "never accepted":
            assert name not in ledger.done
        if state == "completed":
            assert ledger.done[name] == 1


async def test_what_waits_in_the_journal_is_left_to_the_next_gateway_and_none_of_it_is_lost(house: House) -> None:
    """A deep backlog does not keep the old one from ending, nor does it become dead letters by the way."""
    ledger = Ledger(house.agent)
    away = Route("default", "echo", "agt_1", "", "", ready=False, reason="stopped", concurrency=4)
    await house.control.put_routes(RoutingTable(2, (away,), ()))
    client = await house.connect()
    for number in range(400):
        client.send(request("POST", f"/agent/echo/{number}", b"x", token=""))
        assert (await client.answer("POST")).status == 202
    client.close()
    here = Route("default", "echo", "agt_1", f"unix:{house.agent.path}", "ins_1", ready=True, concurrency=4)
    await house.control.put_routes(RoutingTable(3, (here,), ()))
    for _ in range(3):
        await until(lambda: ledger.done)
        await house.restart()
    await until(lambda: len(ledger.done) == 400)
    assert set(ledger.done.values()) == {1}
    await until(house.settled)
    assert Counter(entry["state"] for entry in (await house.entries()).values()) == {"completed": 400}


async def test_an_event_stream_that_a_restart_ends_is_cut_so_that_its_client_sees_it(house: House) -> None:
    async def stream(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if seen.target == "/ticks":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nid: 1\ndata: x\n\n")
        await asyncio.sleep(3600)
        return True

    house.agent.behave = stream
    client = await house.connect()
    client.send(request("GET", "/agent/echo/ticks", token=""))
    assert b"id: 1" in await client.reader.readuntil(b"data: x\n\n")
    poll = await house.connect()
    poll.send(request("POST", "/agent/echo/slow", b"x", token="", Prefer="wait=100"))
    await until(lambda: len(house.agent.seen) == 2)
    restarted = asyncio.create_task(house.restart())
    promise = await poll.answer("POST")
    assert (promise.status, promise.get("connection")) == (202, "close")
    with pytest.raises((OSError, EOFError)):
        await client.answer()
    await restarted


async def test_a_request_on_an_idle_connection_while_the_gateway_stops_is_answered(house: House) -> None:
    client = await house.connect()
    client.send(request("GET", "/agent/echo/1", token=""))
    assert (await client.answer()).get("connection") is None
    restarted = asyncio.create_task(house.restart())

    async def leaving() -> bool:
        probe = await house.connect()
        probe.send(b"GET /_gateway/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await probe.answer()
        probe.close()
        return answer.status == 503 and answer.json() == {"ready": False, "reason": "the gateway is stopping"}

    await until(leaving)
    client.send(request("GET", "/agent/echo/2", token=""))
    answer = await client.answer()
    assert (answer.status, answer.get("connection")) == (200, "close")
    assert await client.reader.read() == b""
    await restarted


async def test_half_a_request_holds_up_no_restart_and_one_whose_body_comes_is_waited_for(house: House) -> None:
    half = [await house.connect() for _ in range(20)]
    for client in half:
        client.send(b"GET /agent/echo/ HTTP/1.1\r\nHost: x\r\nX-")
    slow = await house.connect()
    slow.send(b"POST /agent/echo/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
    restarted = asyncio.create_task(house.restart())
    for client in half:
        assert await client.reader.read() == b""
    assert not restarted.done()
    slow.send(b"cd")
    answer = await slow.answer("POST")
    assert (answer.status, answer.json()["bytes"], answer.get("connection")) == (200, 4, "close")
    await restarted


async def test_a_gateway_that_hangs_is_replaced_all_the_same(house: House) -> None:
    before = await house.pid()
    os.kill(before, signal.SIGSTOP)
    waiting = await house.connect()
    waiting.send(request("GET", "/agent/echo/", token=""))
    restarted = asyncio.create_task(house.restart())
    await asyncio.sleep(0)
    os.kill(before, signal.SIGKILL)  # as the keeper does once its grace is over
    await restarted
    assert (await waiting.answer()).status == 200
    assert await house.pid() != before


async def test_two_restarts_at_once_are_one_and_a_refusal(house: House) -> None:
    before = await house.pid()
    found = await asyncio.gather(house.restart(), house.restart(), return_exceptions=True)
    assert sorted(type(one) for one in found if isinstance(one, Exception)) == [Conflict]
    assert await house.pid() != before


async def test_what_a_gateway_that_cannot_start_says_is_said_by_whoever_restarts_it(house: House) -> None:
    """The folder of large bodies is a file now."""
    spool = house.keeper.paths.state / "spool"
    await house.pid()
    spool.rename(spool.with_name("aside"))
    spool.touch()
    with pytest.raises(Unavailable, match="File exists") as caught:
        await house.restart()
    assert "gateway.log" in caught.value.hint
    assert "File exists" in house.keeper.said()
    with short_path(str(house.keeper.paths.keeper_socket)) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b'{"id": 1, "op": "status"}\n')
    status = json.loads(await reader.readline())["ok"]
    writer.close()
    await writer.wait_closed()
    assert "File exists" in status["processes"]["gateway"]["problem"]
    spool.unlink()
    spool.with_name("aside").rename(spool)
    assert await house.pid()
