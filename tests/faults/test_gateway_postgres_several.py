# SPDX-License-Identifier: Apache-2.0
"""Several gateways on one PostgreSQL: one is killed or stands still, the others look after what it had accepted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_postgres_rig import FINISHED, Callers, PgGateway, Workshop, route_of, several
from gateway_rig import Seen, until
from homeport.model.route import RoutingTable
from homeport.testing.servers.postgres import PostgresServer

Two = tuple[PgGateway, PgGateway, Workshop]


@pytest.fixture
async def two(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Two]:
    async with several(tmp_path, postgres, ("one", "other")) as ((one, other), agent):
        yield one, other, Workshop(agent)


async def _routes(workshop: Workshop, *gateways: PgGateway, revision: int, **change: object) -> None:
    for gateway in gateways:
        await gateway.control.put_routes(RoutingTable(revision, (route_of(workshop.agent, **change),), ()))


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_one_is_killed_under_load_and_the_other_takes_over(two: Two, method: str) -> None:
    one, other, workshop = two
    callers = Callers(one, other, method=method)
    callers.begin(8)
    await until(lambda: callers.heard(200) >= 60, 60)
    await one.end()
    await until(lambda: len(callers.lost) >= 20, 60)
    await callers.end()
    await until(other.settled, 60)
    entries = await other.entries()
    for name, status in callers.told.items():
        assert entries[name]["state"] in FINISHED, f"{name} was told {status} and is lost"
        if status == 200 and callers.answers[name].body == name.encode():
            assert workshop.done[name] >= 1
    assert {entry["state"] for entry in entries.values()} <= FINISHED
    twice = [name for name, times in workshop.done.items() if times > 1]
    if method == "POST":
        assert twice == []
        dead = [entry for entry in entries.values() if entry["state"] == "dead"]
        assert all("the gateway of 'one'" in entry["outcome"] for entry in dead), dead
    else:
        assert {entry["state"] for entry in entries.values()} == {"completed"}
    undone = [name for name in entries if entries[name]["state"] == "completed" and not workshop.done[name]]
    assert undone == []
    await one.start()
    assert await one.settled()
    assert {name: entry["state"] for name, entry in (await one.entries()).items()} == {
        name: entry["state"] for name, entry in entries.items()
    }


async def test_what_one_promised_the_other_delivers_large_bodies_included(two: Two) -> None:
    one, other, workshop = two
    got: dict[str, int] = {}

    async def large(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        got[seen.target] = len(seen.body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 700000\r\n\r\n" + b"z" * 700_000)
        return True

    workshop.agent.behave = large
    await _routes(workshop, one, other, revision=2, endpoint="", instance="", ready=False)
    told = {}
    for size in (10, 2_500_000):
        answer = await one.call("POST", f"/agent/echo/{size}", b"b" * size)
        assert answer.status == 202
        told[size] = answer.json()["status_url"]
    await one.end()
    await _routes(workshop, other, revision=3)
    for size, url in told.items():
        answer = await other.call(path=f"{url}/response", Prefer="wait=30")
        assert (answer.status, answer.body) == (200, b"z" * 700_000)
        assert got[f"/{size}"] == size
    await one.start()
    answer = await one.call(path=f"{told[2_500_000]}/response")
    assert (answer.status, len(answer.body)) == (200, 700_000)


async def test_one_that_stands_still_does_not_answer_for_what_was_taken_from_it(two: Two) -> None:
    one, other, workshop = two
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        taken.set()
        await go_on.wait()
        return await workshop.behave(seen, writer)

    workshop.agent.behave = slow
    asked = asyncio.create_task(one.call("POST", "/agent/echo/slow", b"x"))
    await taken.wait()
    assert one.child is not None
    one.child.send_signal(signal.SIGSTOP)
    try:

        async def judged() -> bool:
            return (await other.entries())["/slow"]["state"] == "dead"

        await until(judged, 60)
    finally:
        one.child.send_signal(signal.SIGCONT)
    answer = await asked
    assert (answer.status, answer.json()["status"]) == (502, "dead")
    go_on.set()
    assert (await other.entries())["/slow"]["outcome"].startswith("outcome unknown")


async def test_a_lease_is_renewed_for_as_long_as_the_agent_takes(two: Two) -> None:
    one, other, workshop = two
    taken, go_on = asyncio.Event(), asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        if seen.target == "/slow":
            taken.set()
            await go_on.wait()
        return await workshop.behave(seen, writer)

    workshop.agent.behave = slow
    asked = asyncio.create_task(one.call("POST", "/agent/echo/slow", b"x"))
    await taken.wait()
    # Another is killed meanwhile and taken over: so the time in which this one would have been, has passed.
    orphan = asyncio.create_task(_orphan(two))
    await orphan
    go_on.set()
    assert (await asked).body == b"/slow"
    await until(other.settled)
    assert (await other.entries())["/slow"]["state"] == "completed"


async def _orphan(two: Two) -> None:
    """A third gateway dies with a request in flight; waits until that was judged."""
    one, other, workshop = two
    third = PgGateway(one.home.parent / "third", one.url, "third")
    await third.start()
    await _routes(workshop, third, revision=1)
    before = workshop.agent.behave
    taken = asyncio.Event()

    async def never(seen: Seen, writer: asyncio.StreamWriter) -> object:
        if seen.target != "/orphan":
            return await before(seen, writer)  # type: ignore[misc]
        taken.set()
        await asyncio.sleep(60)
        return "bye"

    workshop.agent.behave = never
    asked = asyncio.create_task(third.call("POST", "/agent/echo/orphan", b"x"))
    await taken.wait()
    await third.end()
    with pytest.raises((OSError, EOFError)):
        await asked

    async def judged() -> bool:
        return (await other.entries())["/orphan"]["state"] == "dead"

    await until(judged, 60)


async def test_one_key_at_both_at_once_is_carried_out_once(two: Two) -> None:
    one, other, workshop = two
    for n in range(20):
        answers = await asyncio.gather(
            *(gateway.call("POST", f"/agent/echo/{n}", b"x", Idempotency_Key=f"k{n}") for gateway in (one, other, one))
        )
        assert {answer.status for answer in answers} <= {200, 409}
        assert 200 in {answer.status for answer in answers}
        assert workshop.done[f"/{n}"] == 1
    again = await other.call("POST", "/agent/echo/0", b"x", Idempotency_Key="k0")
    assert (again.status, again.body, again.get("idempotent-replayed")) == (200, b"/0", "true")


async def test_a_caller_of_one_hears_of_an_answer_that_the_other_got(two: Two) -> None:
    one, _, workshop = two
    await _routes(workshop, one, revision=2, endpoint="", instance="", ready=False, reason="elsewhere")
    answer = await one.call("POST", "/agent/echo/there", b"x", Prefer="wait=60")
    assert (answer.status, answer.body) == (200, b"/there")
    assert workshop.done == {"/there": 1}


async def test_only_the_newest_table_buries_and_a_lower_revision_learns_the_newest(two: Two) -> None:
    one, other, workshop = two
    await _routes(workshop, one, other, revision=5, endpoint="", instance="", ready=False)
    assert (await one.call("POST", "/agent/echo/kept", b"x")).status == 202
    third = PgGateway(one.home.parent / "third", one.url, "third")
    await third.start()
    try:
        assert (await third.entries())["/kept"]["state"] == "pending"
        assert await third.control.put_routes(RoutingTable(3, (), ())) == 5
        assert (await third.control.status())["revision"] == -1
        assert (await third.entries())["/kept"]["state"] == "pending"
        await third.control.put_routes(RoutingTable(6, (), ()))
        entry = (await one.entries())["/kept"]
        assert (entry["state"], entry["outcome"]) == ("dead", "the agent was removed before it answered")
    finally:
        await third.end()


async def test_a_standby_never_buries_the_requests_of_an_agent_it_has_not_heard_of_yet(two: Two) -> None:
    one, other, workshop = two
    await _routes(workshop, one, revision=5, endpoint="", instance="", ready=False)
    assert (await one.call("POST", "/agent/echo/new", b"x")).status == 202
    assert await other.control.put_routes(RoutingTable(9, (), (), mirror=True)) == 9
    assert (await other.entries())["/new"]["state"] == "pending"
    assert await one.control.put_routes(RoutingTable(6, (), ())) == 6, "what a standby has heard outranks nobody"
    assert (await one.entries())["/new"]["state"] == "dead"


async def test_a_gateway_that_is_back_buries_nothing_before_it_has_heard_from_the_server(two: Two) -> None:
    one, other, workshop = two
    await one.control.put_routes(RoutingTable(9, (), ()))
    await one.end()
    waiting = route_of(workshop.agent, endpoint="", instance="", ready=False)
    await other.control.put_routes(RoutingTable(10, (waiting,), (), mirror=True))
    assert (await other.call("POST", "/agent/echo/meanwhile", b"x")).status == 202
    await one.start()
    assert (await one.entries())["/meanwhile"]["state"] == "pending"
    await _routes(workshop, one, revision=11)
    await until(one.settled, 60)
    assert workshop.done == {"/meanwhile": 1}


async def test_what_one_accepts_the_other_delivers_however_long_its_leases_are(two: Two) -> None:
    one, _, workshop = two
    patient = PgGateway(one.home.parent / "patient", one.url, "patient", lease_s=3600.0)
    await patient.start()
    try:
        waiting = route_of(workshop.agent, endpoint="", instance="", ready=False)
        for gateway in two[:2]:
            await gateway.control.put_routes(RoutingTable(4, (waiting,), (), mirror=True))
        await _routes(workshop, patient, revision=5)
        answer = await one.call("POST", "/agent/echo/there", b"x", Prefer="wait=60")
        assert (answer.status, answer.body) == (200, b"/there")
    finally:
        await patient.end()
