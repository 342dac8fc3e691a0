# SPDX-License-Identifier: Apache-2.0
"""Backups of a server on PostgreSQL: of one moment, whatever is written, given up or broken off while they are made."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import tarfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backup_homes import agent, nothing_apart, stored
from homeport.app.backups import shared
from homeport.app.backups.cutting import Cutter
from homeport.app.backups.restoring import inspect
from homeport.app.backups.shared import SharedDatabase
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.taking import Backups, BackupWish
from homeport.app.compose import clouds, durable_steps, made, open_store
from homeport.errors import StorageFull, Unavailable
from homeport.gateway.spool import Spool
from homeport.model.agent import Agent
from homeport.model.request import RequestState
from homeport.settings import Settings, find_paths
from homeport.testing.servers.postgres import PostgresServer

pytestmark = pytest.mark.timeout(120)
LARGE = bytes(range(256)) * 20_000


class House:
    """The drivers of a home whose state is in PostgreSQL."""

    def __init__(self, root: Path, url: str) -> None:
        self.settings = Settings(find_paths({"HOMEPORT_HOME": str(root)}), database_url=url)
        self.paths = self.settings.paths
        self.stack = AsyncExitStack()
        self.stillness = Stillness()
        self.agents: list[Agent] = []

    async def open(self) -> None:
        self.paths.create()
        self.paths.agents.mkdir()
        self.store = await open_store(self.settings)
        self.stack.push_async_callback(self.store.close)
        durable = durable_steps(self.settings)
        self.stack.push_async_callback(durable.close)
        durable.claim()
        await durable.launch()
        self.journal: Any = made("journal", "postgres", url=self.settings.database_url, owner="here")
        self.stack.push_async_callback(self.journal.close)
        await self.journal.open()
        self.spool = Spool(self.paths.cache / "bodies", self.journal.shelf)
        sealer = made("sealer", "fernet", key_file=self.paths.key)
        self.audit = made("audit", "file", path=self.paths.state / "audit.jsonl", sealer=sealer)
        self.stack.push_async_callback(self.audit.close)

    def cutter(self) -> Cutter:
        databases = SharedDatabase(self.paths, self.settings.database_url)
        return Cutter(self.paths, databases, self.audit, self.stillness, made("clock", "system"))

    def backups(self) -> Backups:
        return Backups(
            self.paths, self.cutter(), lambda: self.agents, nothing_apart, made("clock", "system"), made("ids", "ulid")
        )

    async def write(self, file: Path) -> Path:
        with file.open("wb") as out:
            async for piece in self.backups().stream(BackupWish()):
                out.write(piece)
        return file

    async def add(self, name: str, number: int) -> None:
        """An agent with its folder, and a request with a large body."""
        new = agent(name)
        await self.store.put(new, namespace="default", key=name)
        self.agents.append(new)
        (self.paths.agents / new.workload.code).mkdir(parents=True)
        (self.paths.agents / new.id / "data").mkdir()
        writer = self.spool.writer(f"req_{number:04d}.request")
        writer.write(LARGE)
        body = await writer.finish()
        assert body.spool
        await self.journal.accept(replace(stored(number, new, RequestState.PENDING), body=body))


@pytest.fixture
async def house(tmp_path: Path, database: str) -> AsyncIterator[House]:
    found = House(tmp_path / "home", database)
    try:
        await found.open()
        await found.add("one", 1)
        yield found
    finally:
        await found.stack.aclose()


class Brake:
    """Copies wait for `go` once they have begun."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()


@pytest.fixture
def brake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Brake]:
    made, check = Brake(), shared._Copying._check

    def wait(copying: Any) -> None:
        made.reached.set()
        made.go.wait(60)
        check(copying)

    monkeypatch.setattr(shared._Copying, "_check", wait)
    yield made
    made.go.set()


async def test_what_is_written_after_the_moment_is_not_in_it_and_nobody_waits(
    house: House, brake: Brake, tmp_path: Path
) -> None:
    machine = clouds(house.settings)["local"]
    (offer,) = await machine.offers()
    await machine.create(offer, namespace="default", owner_tag="before", name="before")
    writing = asyncio.create_task(house.write(tmp_path / "b"))
    assert await asyncio.to_thread(brake.reached.wait, 60)
    async with house.stillness.deleting():  # a removal does not wait for the copy
        await house.add("two", 2)
        await machine.create(offer, namespace="default", owner_tag="after", name="after")
    brake.go.set()
    await writing
    found, _, _ = inspect(tmp_path / "b")
    assert found.records["agent"] == 1 and found.requests == {"pending": 1} and found.agents == ("agt_one",)
    bodies = [member for member in found.members if member.path.startswith("state/spool/")]
    assert [member.bytes for member in bodies if member.bytes] == [len(LARGE)]
    with tarfile.open(tmp_path / "b") as tar:
        register = tar.extractfile("state/local-machines.json")
        assert register is not None and list(json.load(register)["machines"]) == ["before"]


async def test_one_that_is_given_up_leaves_nothing_here_or_there(
    house: House, brake: Brake, postgres: PostgresServer
) -> None:
    stream = house.backups().stream(BackupWish())
    await anext(stream)

    async def rest() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(rest())
    assert await asyncio.to_thread(brake.reached.wait, 60)
    task.cancel()
    await asyncio.to_thread(brake.go.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    await stream.aclose()
    assert not list(house.paths.state.glob("backup-*"))
    name = house.settings.database_url.partition("?")[0].rpartition("/")[2]
    assert postgres.query(name, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%copy'") == "0"


async def test_one_whose_database_goes_says_so_at_its_end_and_the_next_is_whole(
    house: House, brake: Brake, tmp_path: Path, postgres: PostgresServer
) -> None:
    writing = asyncio.create_task(house.write(tmp_path / "b"))
    assert await asyncio.to_thread(brake.reached.wait, 60)
    await asyncio.to_thread(postgres.kill)
    try:
        brake.go.set()
        await writing
        with pytest.raises(Unavailable, match="database does not answer"):
            inspect(tmp_path / "b")
        with pytest.raises(Unavailable):
            inspect(await house.write(tmp_path / "away"))
    finally:
        await asyncio.to_thread(postgres.start)
    assert not list(house.paths.state.glob("backup-*"))
    assert inspect(await house.write(tmp_path / "again"))[0].requests == {"pending": 1}


async def test_without_room_it_says_so_at_its_end_and_leaves_nothing(house: House, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    pieces = []
    try:
        async for piece in house.backups().stream(BackupWish()):
            pieces.append(piece)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    (tmp_path / "b").write_bytes(b"".join(pieces))
    with pytest.raises(StorageFull):
        inspect(tmp_path / "b")
    assert not list(house.paths.state.glob("backup-*"))


async def test_agents_whose_code_another_server_has_are_named_and_laid_out_again_after_a_restore(
    house: House, tmp_path: Path
) -> None:
    elsewhere = agent("elsewhere")
    await house.store.put(elsewhere, namespace="default", key="elsewhere")
    house.agents.append(elsewhere)
    half = house.paths.agents / "agt_one" / "again-code-1"
    half.touch()
    found, _, _ = inspect(await house.write(tmp_path / "b"))
    assert {line for line in found.left_out if "code" in line} == {
        "the code of elsewhere: it was not there", "the code of one: it was not there",
    }  # fmt: skip
    assert not [member for member in found.members if "/code-" in member.path], "half of it would pass for the whole"
