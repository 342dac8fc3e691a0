# SPDX-License-Identifier: Apache-2.0
"""A journal that was damaged: the gateway says so and what helps, or serves what is whole. Never silently empty."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
from pathlib import Path

import pytest

from gateway_process import GatewayProcess, gateway_process
from gateway_rig import request, until
from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.testing.conformance.journal import request as stored

BODY = b"x" * 3000


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Path:
    """A state folder whose gateway was killed: 40 answered requests in database and log, one that waits."""
    folder: Path = tmp_path_factory.mktemp("lived")

    async def live() -> None:
        async with gateway_process(folder) as (process, agent):
            for n in range(40):
                assert (await process.call(request("POST", f"/agent/echo/{n}", BODY, token=""))).status == 200
            await agent.stop()
            assert (await process.call(request("POST", "/agent/echo/later", BODY, token=""))).status == 202

            async def written() -> bool:
                return list((await process.states()).values()).count("completed") == 40

            await until(written)
            await process.end()

    asyncio.run(live())
    return folder / "home" / "state"


@pytest.fixture
def process(lived: Path, tmp_path: Path):
    """Not started, on a copy of it."""
    made = GatewayProcess(tmp_path / "home")
    (tmp_path / "home").mkdir()
    shutil.copytree(lived, tmp_path / "home" / "state")
    yield made
    made.close()


def journal(process: GatewayProcess, suffix: str = "") -> Path:
    return process.home / "state" / f"journal.db{suffix}"


def checkpointed(process: GatewayProcess) -> Path:
    """The database alone, all of the log in it."""

    async def open_and_close() -> None:
        await SqliteJournal(Options(journal(process))).close()

    asyncio.run(open_and_close())
    assert not journal(process, "-wal").exists()
    return journal(process)


def refused(process: GatewayProcess) -> str:
    """It must not start; says why and what to do, and leaves the files as they were."""
    before = {file.name: file.read_bytes() for file in (process.home / "state").glob("journal.db*")}
    code, said = asyncio.run(process.refuses())
    assert code == 1, said
    assert "is damaged" in said
    assert "hint:" in said
    assert "Traceback" not in said
    for name, data in before.items():
        if not name.endswith(("-shm", ".lock")):
            assert (process.home / "state" / name).read_bytes() == data, name
    return said


def states(process: GatewayProcess) -> dict[str, str]:
    async def ask() -> dict[str, str]:
        try:
            await process.start()
            return await process.states()
        finally:
            await process.end()

    return asyncio.run(ask())


def test_an_undamaged_one_is_whole_after_the_kill(process: GatewayProcess) -> None:
    assert len(states(process)) == 41


@pytest.mark.parametrize("size", [100, 4096, 300_000])
def test_a_file_of_garbage_is_refused(process: GatewayProcess, size: int) -> None:
    checkpointed(process).write_bytes(os.urandom(size))
    refused(process)


def test_an_emptied_file_is_not_taken_for_a_new_one(process: GatewayProcess) -> None:
    checkpointed(process).write_bytes(b"")
    assert "it is empty" in refused(process)


@pytest.mark.parametrize("how", ["empty", "gone"])
def test_a_log_without_its_database_is_refused(process: GatewayProcess, how: str) -> None:
    journal(process).write_bytes(b"")
    if how == "gone":
        journal(process).unlink()
    assert "its log journal.db-wal is still there" in refused(process)


def test_a_file_that_was_moved_aside_with_its_log_is_a_new_beginning(process: GatewayProcess) -> None:
    for file in (process.home / "state").glob("journal.db*"):
        if not file.name.endswith(".lock"):
            file.rename(file.with_suffix(".aside" + file.suffix))
    assert states(process) == {}


@pytest.mark.parametrize("kept", [0.4, 0.9, "last page"])
def test_a_database_cut_short_is_refused(process: GatewayProcess, kept: float | str) -> None:
    file = checkpointed(process)
    size = file.stat().st_size
    os.truncate(file, size - 4096 if isinstance(kept, str) else int(size * kept))
    assert "malformed" in refused(process)


def test_a_torn_last_frame_of_the_log_is_one_that_nobody_was_told_of(process: GatewayProcess) -> None:
    log = journal(process, "-wal")
    os.truncate(log, log.stat().st_size - 700)
    assert len(states(process)) >= 40


@pytest.mark.parametrize("where", ["header", "first frame", "middle"])
def test_damage_in_the_middle_of_the_log_does_not_hide_what_follows(process: GatewayProcess, where: str) -> None:
    log = journal(process, "-wal")
    data = bytearray(log.read_bytes())
    at = {"header": 20, "first frame": 32 + 24 + 100, "middle": len(data) // 2}[where]
    data[at] ^= 0xFF
    log.write_bytes(data)
    said = refused(process)
    assert "commits follow" in said
    [cut] = [line for line in said.splitlines() if "truncate -s" in line]
    os.truncate(log, int(cut.split("truncate -s ")[1].split(" ")[0]))
    if where == "middle":  # what it says to do is what helps
        assert 0 < len(states(process)) < 41


def test_a_damaged_page_costs_what_is_on_it_and_is_told(process: GatewayProcess) -> None:
    file = checkpointed(process)
    (pages,) = struct.unpack_from(">I", file.read_bytes()[:100], 28)
    with file.open("r+b") as raw:
        raw.seek((pages - 1) * 4096)
        raw.write(os.urandom(4096))

    async def ask() -> None:
        try:
            await process.start()
            answers = []
            for entry in await process.control.requests(limit=1000):
                answers.append(await process.call(request(path=f"/requests/{entry['id']}/response", token="")))
            assert {answer.status for answer in answers} <= {200, 202, 500}
            assert len([answer for answer in answers if answer.status == 200]) >= 30
            for answer in answers:
                if answer.status == 500:
                    assert "is damaged" in answer.json()["error"]["message"]
                    assert answer.json()["error"]["hint"]
        finally:
            await process.end()

    asyncio.run(ask())


def test_a_checkpoint_that_was_interrupted_is_no_damage(tmp_path: Path) -> None:
    """The header may tell of pages that only the log has as yet."""
    path = tmp_path / "journal.db"

    async def write() -> None:
        journal = SqliteJournal(Options(path))
        try:
            for n in range(1, 60):
                await journal.accept(stored(n))
            for file in (path, path.with_name("journal.db-wal")):
                shutil.copy(file, tmp_path / f"copy-{file.name}")
            journal._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            data = path.read_bytes()
        finally:
            await journal.close()
        # The first pages were moved, the last were not.
        half = len(data) // 4096 // 2 * 4096
        (tmp_path / "copy-journal.db").write_bytes(data[:half])
        journal = SqliteJournal(Options(tmp_path / "copy-journal.db"))
        try:
            assert len(await journal.list("default", limit=100)) == 59
        finally:
            await journal.close()

    asyncio.run(write())


@pytest.mark.parametrize("commits", [1, 2])
def test_a_log_of_garbage_beside_a_whole_database_is_refused(process: GatewayProcess, commits: int) -> None:
    checkpointed(process)
    journal(process, "-wal").write_bytes(os.urandom(32) + (b"\1" * 24 + os.urandom(4096)) * commits)
    refused(process)
