# SPDX-License-Identifier: Apache-2.0
"""Gateways are killed between a change and its telling: every change is told all the same, under one id, in order."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from gateway_postgres_rig import PgGateway, several
from gateway_rig import Agent, until
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.extension_points import driver
from homeport.model.route import Route, RoutingTable
from homeport.model.workload import Delivery
from homeport.testing.servers.postgres import PostgresServer
from webhook_rig import Got, Receiver, reply, webhook

FINAL = {"completed", "failed", "dead"}


def prepared(home: Path, key: bytes = b"") -> Any:
    """A home whose gateway may reach loopback; gives its sealer."""
    config = home / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "config.toml").write_text('webhook_allow = "127.0.0.0/8"\n')
    if key:
        (config / "secrets.key").write_bytes(key)
        (config / "secrets.key").chmod(0o600)
    fernet = driver("sealer", "fernet")
    sealer = fernet(import_module(fernet.__module__).Options(key_file=config / "secrets.key"))
    sealer.seal(b"so that there is a key")
    return sealer


class Forgetful(Receiver):
    """Takes every third message only when it comes again."""

    def __post_init__(self) -> None:
        self.answer = self.answer_to
        self.n = 0

    def answer_to(self, got: Got) -> bytes | None:
        self.n += 1
        return reply(500) if self.n % 3 == 0 else reply(204)


async def all_told(control: GatewayControl) -> bool:
    status = await control.status()
    busy = status["requests"]["pending"] + status["requests"]["in_flight"]
    return not busy and not any(count.waiting for count in (await control.webhooks()).values())


async def compare(receiver: Receiver, control: GatewayControl) -> Counter[str]:
    """The receiver's ledger against the journal's changes and its requests; gives how often each id came."""
    noted: list[dict[str, Any]] = []
    while page := await control.deliveries("whk_hook", after=noted[-1]["seq"] if noted else 0, limit=1000):
        noted += page
    requests = {one["id"]: one for one in await control.requests(limit=1000)}
    assert {one["delivery"] for one in noted} == {"delivered"}
    came = Counter(got.id for got in receiver.ledger)
    assert came.keys() == {one["id"] for one in noted}
    for got in receiver.ledger:
        assert {other.body for other in receiver.ledger if other.id == got.id} == {got.body}
    for request, shown in requests.items():
        journal = [one["state"] for one in noted[::-1] if one["request"] == request]
        firsts = dict.fromkeys(got.id for got in receiver.ledger if got.data["id"] == request)
        by_id = {got.id: got.data["state"] for got in receiver.ledger}
        assert [by_id[one] for one in firsts] == journal, "first arrivals are in the order of the changes"
        assert journal[-1] == shown["state"] and journal[-1] in FINAL
        assert journal.count("in_flight") >= shown["attempts"] >= 1
        assert all(one != other for one, other in pairwise(journal))
    return came


async def test_a_gateway_that_is_killed_again_and_again_loses_no_change(tmp_path: Path) -> None:
    home = tmp_path / "home"
    sealer = prepared(home)
    process, agent = PgGateway(home, "", "alone"), Agent(tmp_path / "agent.sock")  # no database: SQLite
    await agent.start()
    async with Forgetful() as receiver:
        hook = webhook(receiver.url(), sealer=sealer)
        place = ("default", "echo", "agt_1", f"unix:{agent.path}", "ins_1")
        route = Route(*place, ready=True, delivery=Delivery.AT_LEAST_ONCE)
        await process.start()
        try:
            await process.control.put_routes(RoutingTable(1, (route,), (), webhooks=(hook,)))
            for _ in range(4):
                calls = [asyncio.create_task(process.call("POST", body=b"x")) for _ in range(15)]
                await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
                await process.end(signal.SIGKILL)
                await asyncio.gather(*calls, return_exceptions=True)
                await process.start()
            await until(lambda: all_told(process.control), 60)
            assert len(await compare(receiver, process.control)) > 30
        finally:
            await process.end(signal.SIGTERM)
            await agent.stop()


async def test_what_a_killed_gateway_had_to_tell_another_one_tells(tmp_path: Path, postgres: PostgresServer) -> None:
    sealer = prepared(tmp_path / "one")
    prepared(tmp_path / "two", (tmp_path / "one" / "config" / "secrets.key").read_bytes())
    blocked = asyncio.Event()

    async with Receiver() as receiver, several(tmp_path, postgres, ("one", "two")) as ((one, two), _):
        receiver.answer = lambda got: reply(204) if blocked.is_set() else None
        hook = webhook(receiver.url(), sealer=sealer)
        for gateway in (one, two):
            held = (await gateway.control.status())["routes"][0]
            route = Route("default", "echo", "agt_1", held["endpoint"], "ins_1", ready=True)
            await gateway.control.put_routes(RoutingTable(2, (route,), (), webhooks=(hook,)))
        for _ in range(6):
            assert (await one.call("POST", body=b"x")).status == 200
        await until(lambda: receiver.ledger)
        await one.end(signal.SIGKILL)
        blocked.set()
        await until(lambda: all_told(two.control), 90)
        assert len(await compare(receiver, two.control)) == 12
