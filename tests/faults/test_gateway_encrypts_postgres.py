# SPDX-License-Identifier: Apache-2.0
"""Encryption with a journal in PostgreSQL: gateways read each other's bodies, and a copy takes the keys along."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from gateway_postgres_rig import PgGateway, route_of
from gateway_rig import KEY, Agent, Answer, Seen, rig, until
from homeport.drivers.journals.postgres.transfer import JournalPart as InDatabase
from homeport.drivers.journals.sqlite.transfer import JournalPart as InFolder
from homeport.interfaces.transfer import Where
from homeport.model.route import RoutingTable

MARK = b"pl4inly-to-be-seen-9e1c"
SMALL, LARGE = MARK * 10, MARK * 100_000
BODIES = (SMALL, LARGE)


async def echo(seen: Seen, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Out: %b\r\nContent-Length: %d\r\n\r\n" % (MARK, len(seen.body)))
    writer.write(seen.body)
    await writer.drain()
    return True


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Agent]:
    made = Agent(tmp_path / "agent.sock")
    made.behave = echo
    await made.start()
    yield made
    await made.stop()


async def serving(gateway: PgGateway, agent: Agent) -> None:
    """Started with the installation's key and encryption on."""
    (gateway.home / "config").mkdir(parents=True, exist_ok=True)
    key = gateway.home / "config" / "secrets.key"
    key.touch(mode=0o600)
    key.write_bytes(KEY)
    gateway.environ = {"HOMEPORT_JOURNAL_ENCRYPTION": "on"}
    await gateway.start()
    await gateway.control.put_routes(RoutingTable(1, (route_of(agent),), ()))


@pytest.fixture
async def two(tmp_path: Path, database: str, agent: Agent) -> AsyncIterator[tuple[PgGateway, PgGateway]]:
    gateways = PgGateway(tmp_path / "one", database, "one"), PgGateway(tmp_path / "other", database, "other")
    try:
        await asyncio.gather(*(serving(gateway, agent) for gateway in gateways))
        yield gateways
    finally:
        for gateway in gateways:
            if gateway.child is not None:
                await gateway.end()


def id_of(answer: Answer) -> str:
    return answer.get("x-homeport-request-id") or ""


async def completed(gateway: PgGateway, count: int) -> None:
    async def there() -> bool:
        return bool((await gateway.control.status())["requests"].get("completed", 0) >= count)

    await until(there)


def in_database(url: str, text: bytes) -> list[str]:
    """Tables of the journal with this in one of their columns."""
    found = []
    with psycopg.connect(url) as db:
        names = db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'homeport_journal'").fetchall()
        for (name,) in names:
            with db.cursor().copy(f"COPY homeport_journal.{name} TO STDOUT (FORMAT binary)") as rows:
                if text in b"".join(bytes(row) for row in rows):
                    found.append(name)
    return found


async def test_two_that_start_at_once_read_what_the_other_wrote(
    two: tuple[PgGateway, PgGateway], database: str
) -> None:
    one, other = two
    told: dict[str, bytes] = {}
    for number, gateway in enumerate((one, other, one, other)):
        for body in BODIES:
            answer = await gateway.call("POST", "/agent/echo/x", body, Idempotency_Key=f"{number}{len(body)}")
            assert (answer.status, answer.body) == (200, body)
            told[id_of(answer)] = body
    await completed(one, len(told))
    for gateway in two:
        for request_id, body in told.items():
            assert (await gateway.call("GET", f"/requests/{request_id}/response")).body == body
        repeat = await gateway.call("POST", "/agent/echo/x", SMALL, Idempotency_Key=f"0{len(SMALL)}")
        assert (repeat.body, repeat.get("idempotent-replayed")) == (SMALL, "true")
    assert in_database(database, MARK) == []
    assert not [file for file in one.home.rglob("*") if file.is_file() and MARK in file.read_bytes()]


async def test_a_new_key_of_one_is_a_reason_for_a_new_key_of_the_other(two: tuple[PgGateway, PgGateway]) -> None:
    one, other = two

    async def keys(gateway: PgGateway) -> set[bytes]:
        await gateway.call("POST", "/agent/echo/x", SMALL)
        with psycopg.connect(gateway.url) as db:
            rows = db.execute("SELECT substr(body, 1, 9) FROM homeport_journal.requests").fetchall()
        return {bytes(row[0]) for row in rows}

    before = await keys(one) | await keys(other)
    assert len(before) == 2
    await one.control.rotate_key()

    async def new() -> bool:
        return len(await keys(other)) == 3

    await until(new, 30)
    assert len(await keys(one)) == 4


async def test_a_copy_to_a_database_and_back_is_read_where_the_key_file_is(
    tmp_path: Path, database: str, agent: Agent
) -> None:
    first = tmp_path / "first"
    first.mkdir()
    async with rig(first, encrypted=True) as house:
        house.agent.behave = echo
        told = {id_of(await house.call("POST", "/agent/echo/x", body)): body for body in BODIES}

        async def there() -> bool:
            return bool((await house.control.status())["requests"].get("completed", 0) == 2)

        await until(there)
        await house.control.rotate_key()
        await house.routes(house.route(ready=False))
        waiting = json.loads((await house.call("POST", "/agent/echo/x", SMALL)).body)["id"]
    source, target = InFolder(Where(folder=first)), InDatabase(Where(url=database), write=True)
    kinds = [item.kind for item in source.items()]
    target.put(source.items())
    target.commit()
    source.close()
    target.close()
    assert kinds.count("journal key") == 2
    gateway = PgGateway(tmp_path / "one", database, "one")
    await serving(gateway, agent)
    try:
        told[waiting] = SMALL
        for request_id, body in told.items():
            assert (await gateway.call("GET", f"/requests/{request_id}/response", Prefer="wait=20")).body == body
    finally:
        await gateway.end()
    last = tmp_path / "last"
    last.mkdir()
    there_again, back = InDatabase(Where(url=database)), InFolder(Where(folder=last), write=True)
    back.put(there_again.items())
    back.commit()
    there_again.close()
    back.close()
    async with rig(last, encrypted=False, told=False) as house:
        house.revision = 10
        await house.routes(house.route())
        for request_id, body in told.items():
            assert (await house.call("GET", f"/requests/{request_id}/response")).body == body
