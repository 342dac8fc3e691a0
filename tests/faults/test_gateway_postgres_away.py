# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL stops, dies and hangs under load: nothing is lost, nothing is done twice, and it is said clearly."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway_postgres_rig import FINISHED, Callers, PgGateway, Workshop, route_of, several
from gateway_rig import Seen, until
from homeport.model.route import RoutingTable
from homeport.testing.servers.postgres import PostgresServer

OUTAGE_S = float(os.environ.get("OUTAGE_S", "0"))
"""Seconds that the server stays away, beyond what the test needs to see of it."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One of our own: it is stopped, killed and paused."""
    with PostgresServer() as made:
        yield made


@pytest.fixture(autouse=True)
def _running(server: PostgresServer) -> Iterator[None]:
    yield
    server.resume()
    try:
        server.query("postgres", "SELECT 1")
    except Exception:
        server.kill()
        server.start()


@pytest.fixture
async def house(tmp_path: Path, server: PostgresServer) -> AsyncIterator[tuple[PgGateway, Workshop]]:
    async with several(tmp_path, server) as ((gateway,), agent):
        yield gateway, Workshop(agent)


async def _away(gateway: PgGateway) -> bool:
    return bool((await gateway.journal())["away"])


async def _all_is_well(gateway: PgGateway, workshop: Workshop, callers: Callers) -> None:
    """Whoever was told something was told the truth, and nothing was done twice."""
    await until(gateway.settled, 60)
    entries = await gateway.entries()
    for name, status in callers.told.items():
        if status == 503:
            assert workshop.done[name] == 0, f"{name} was refused and yet done"
            assert name not in entries, f"{name} was refused and yet accepted"
            assert callers.answers[name].get("retry-after")
            assert "journal is away" in callers.answers[name].json()["error"]["message"]
            continue
        assert entries[name]["state"] == "completed", f"{name} was told {status} and is {entries[name]['state']}"
        assert workshop.done[name] == 1
        assert entries[name]["response_bytes"] == len(name)
        assert callers.answers[name].body == name.encode() or status == 202
    assert [name for name, times in workshop.done.items() if times > 1] == []
    assert {entry["state"] for entry in entries.values()} <= FINISHED


@pytest.mark.parametrize("how", ["stop", "kill", "pause"])
async def test_a_server_that_is_away_for_a_while_costs_nothing_but_refusals(house, server, how: str) -> None:
    gateway, workshop = house
    callers = Callers(gateway)
    callers.begin(8)
    await until(lambda: callers.heard(200) >= 50, 60)
    getattr(server, how)()
    await until(lambda: callers.heard(503) >= 30, 60)
    assert await _away(gateway)
    await asyncio.sleep(OUTAGE_S)
    (server.resume if how == "pause" else server.start)()
    before = callers.heard(200)
    await until(lambda: callers.heard(200) >= before + 50, 60)
    assert not await _away(gateway)
    await callers.end()
    assert not callers.lost
    await _all_is_well(gateway, workshop, callers)
    print({status: callers.heard(status) for status in set(callers.told.values())})


async def test_a_server_that_only_restarts_is_a_delay(house, server) -> None:
    gateway, workshop = house
    callers = Callers(gateway)
    callers.begin(6)
    for how in ("stop", "kill"):
        before = callers.heard(200)
        await until(lambda mark=before + 40: callers.heard(200) >= mark, 60)
        await asyncio.to_thread(getattr(server, how))
        await asyncio.to_thread(server.start)
    before = callers.heard(200)
    await until(lambda: callers.heard(200) >= before + 40, 60)
    await callers.end()
    assert not callers.lost
    await _all_is_well(gateway, workshop, callers)


async def test_connections_cut_again_and_again_under_load(house, server) -> None:
    gateway, workshop = house
    callers = Callers(gateway)
    callers.begin(8)
    for _ in range(12):
        before = callers.heard(200)
        await until(lambda mark=before + 12: callers.heard(200) >= mark, 60)
        server.query(
            "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'homeport%'"
        )
    await callers.end()
    assert not callers.lost
    assert callers.heard(503) == 0
    await _all_is_well(gateway, workshop, callers)


async def test_an_answer_in_flight_is_given_at_once_and_kept_until_it_can_be_written(house, server) -> None:
    gateway, workshop = house
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        taken.set()
        await go_on.wait()
        return await workshop.behave(seen, writer)

    workshop.agent.behave = slow
    asked = asyncio.create_task(gateway.call("POST", "/agent/echo/slow", b"x"))
    await taken.wait()
    server.stop()
    await until(lambda: _away(gateway))
    ready = await gateway.outside("/_gateway/ready")
    assert (ready.status, ready.json()["ready"]) == (503, False)
    assert "journal is away" in ready.json()["reason"]
    assert "homeport_gateway_journal_up 0" in await gateway.control.metrics()
    for path in ("/requests/req_1", "/agent/echo/other"):
        assert (await gateway.call(path=path)).status == 503
    go_on.set()
    answer = await asked
    assert (answer.status, answer.body) == (200, b"/slow")
    server.start()
    await until(gateway.settled)
    assert (await gateway.outside("/_gateway/ready")).status == 200
    assert "homeport_gateway_journal_up 1" in await gateway.control.metrics()
    (entry,) = (await gateway.entries()).values()
    assert (entry["state"], entry["status"], entry["response_bytes"]) == ("completed", 200, 5)
    kept = await gateway.call(path=f"/requests/{entry['id']}/response")
    assert kept.body == b"/slow"
    assert workshop.done == {"/slow": 1}


async def test_a_large_answer_waits_in_its_file_for_the_shelf(house, server) -> None:
    gateway, workshop = house
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def large(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        taken.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"y" * 3_000_000)
        return True

    workshop.agent.behave = large
    asked = asyncio.create_task(gateway.call("POST", "/agent/echo/large", b"x" * 600_000))
    await taken.wait()
    server.kill()
    await until(lambda: _away(gateway))
    go_on.set()
    assert (await asked).body == b"y" * 3_000_000
    server.start()
    await until(gateway.settled)
    (entry,) = (await gateway.entries()).values()
    kept = await gateway.call(path=f"/requests/{entry['id']}/response")
    assert (kept.status, kept.body) == (200, b"y" * 3_000_000)


async def test_while_the_server_hangs_each_is_either_refused_or_carried_out_once_it_goes_on(house, server) -> None:
    gateway, workshop = house
    assert (await gateway.call("POST", "/agent/echo/before", b"x")).status == 200
    for turn in range(2):
        server.pause()
        asked = [asyncio.create_task(gateway.call("POST", f"/agent/echo/{turn}-{n}", b"x")) for n in range(5)]
        await until(lambda: _away(gateway), 30)
        if turn == 1:
            await until(lambda: "connection is given up" in gateway.log.read_text(), 30)
        server.resume()
        told = [(await one).status for one in asked]
        assert set(told) <= {200, 503}
        for n, status in enumerate(told):
            assert workshop.done[f"/{turn}-{n}"] == (status == 200)
    await until(gateway.settled)
    assert {entry["state"] for entry in (await gateway.entries()).values()} == {"completed"}


async def test_a_gateway_is_stopped_in_order_while_the_server_is_away(house, server) -> None:
    gateway, _ = house
    assert (await gateway.call("POST", "/agent/echo/x", b"x")).status == 200
    await until(gateway.settled)
    server.stop()
    await until(lambda: _away(gateway))
    assert await gateway.end(signal.SIGTERM) == 0
    server.start()
    await gateway.start()
    assert (await gateway.entries())["/x"]["state"] == "completed"


async def test_a_server_that_is_not_there_at_the_start_is_said_and_no_password_is(tmp_path, server) -> None:
    url = server.create_database().replace("postgres@", "postgres:SECRETWORD@")
    server.stop()
    gateway = PgGateway(tmp_path / "one", url, "one")
    gateway.spawn()
    assert await asyncio.to_thread(gateway.child.wait, 60) == 1
    assert "the journal does not answer" in gateway.log.read_text()
    server.start()
    await gateway.start()
    await gateway.control.put_routes(RoutingTable(1, (), ()))
    server.stop()
    await until(lambda: _away(gateway))
    argv = Path(f"/proc/{gateway.child.pid}/cmdline").read_bytes()
    answer = await gateway.call(path="/agent/echo/")
    status = str(await gateway.control.status())
    server.start()
    await until(lambda: _back(gateway))
    await gateway.end()
    assert "SECRETWORD" not in gateway.log.read_text() + status + argv.decode() + answer.body.decode()
    assert str(server._folder) not in answer.body.decode(), "callers need not know where the database is"


async def _back(gateway: PgGateway) -> bool:
    return not await _away(gateway)


async def test_two_by_one_name_on_one_database_the_second_is_told(house) -> None:
    gateway, _ = house
    environ = dict(os.environ, HOMEPORT_HOME=str(gateway.home.parent / "second"), HOMEPORT_DATABASE_URL=gateway.url,
                   HOMEPORT_NODE="one", HOMEPORT_GATEWAY_LISTEN="127.0.0.1:0")  # fmt: skip
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "homeport.serve.gateway"],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "another gateway by the name 'one'" in second.stderr
    assert "HOMEPORT_NODE" in second.stderr
    assert await gateway.answers()


async def test_routes_survive_and_requests_promised_before_are_kept(house) -> None:
    gateway, workshop = house
    gone = route_of(workshop.agent, endpoint="", instance="", ready=False, reason="restarting")
    await gateway.control.put_routes(RoutingTable(2, (gone,), ()))
    told = await gateway.call("POST", "/agent/echo/later", b"x")
    assert told.status == 202
    await gateway.end()
    await gateway.start()
    assert (await gateway.control.status())["revision"] == 2
    assert (await gateway.entries())["/later"]["state"] == "pending"
    assert workshop.done == {}
