# SPDX-License-Identifier: Apache-2.0
"""Databases in use are copied whole, and two that are cut together are of one moment."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path

import pytest

from gateway_rig import rig
from homeport.app.backups.cutting import link_code
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.walking import LeftOut
from homeport.drivers.audits.file import FileAudit
from homeport.drivers.audits.file import Options as AuditOptions
from homeport.drivers.durable.dbos import DbosDurable
from homeport.drivers.durable.dbos import Options as DurableOptions
from homeport.drivers.journals.sqlite import Options as JournalOptions
from homeport.drivers.journals.sqlite import SqliteJournal
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.errors import HomeportError, UsageError
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.durable import Json, Steps
from homeport.model.event import Event


def event(number: int) -> Event:
    return Event(f"evt_{number:08d}", number, "default", "x.y", "s")


async def test_a_copy_holds_what_was_there_at_the_cut_and_nothing_later(tmp_path: Path) -> None:
    store = await SqliteStore.open(Options(tmp_path / "state.db"))
    try:
        for number in range(50):
            await store.put(event(number), namespace="default", key=f"{number:08d}")
        cut = await store.cut(tmp_path / "copy.db")
        later = asyncio.create_task(store.put(event(99), namespace="default", key="99"))
        await asyncio.sleep(0)
        await cut.let_go()
        await later
        assert await cut.save() == {"event": 50}
        await cut.close()
        with pytest.raises(HomeportError):
            await (await store.cut(tmp_path / "copy.db")).save()  # never over a file that is there
    finally:
        await store.close()
    copy = await SqliteStore.open(Options(tmp_path / "copy.db"))
    assert len(await copy.list(Event, limit=100)) == 50
    await copy.close()
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


async def test_store_and_durable_steps_are_of_one_moment_whatever_is_written_meanwhile(tmp_path: Path) -> None:
    """A saga counts in the store, then records the count as a step: a crash at any moment leaves the store one ahead
    at most, and so must every cut."""
    store = await SqliteStore.open(Options(tmp_path / "state.db"))
    durable = DbosDurable(DurableOptions(tmp_path / "durable.db", tmp_path / "durable.lock"))

    async def saga(steps: Steps, wish: Json) -> Json:
        for number in itertools.count():

            async def act(number: int = number) -> Json:
                await store.put(event(number), namespace="default", key=f"{number:08d}")
                return {"n": number}

            await steps.step("count", act)
        return {}

    durable.register("count.v1", saga)
    await durable.launch()
    try:
        await durable.start("count.v1", "wf", {})
        for number in range(5):
            state = await store.cut(tmp_path / f"state-{number}.db")
            steps = await durable.cut(tmp_path / f"durable-{number}.db")
            await steps.let_go()
            await state.let_go()
            counted = (await state.save()).get("event", 0)
            await state.close()
            assert (await steps.save())["workflow"] == 1
            recorded = _recorded(tmp_path / f"durable-{number}.db")
            assert recorded <= counted <= recorded + 1
            await asyncio.sleep(0.05)
    finally:
        await durable.close()
        await store.close()


def _recorded(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        found: int = connection.execute(
            "SELECT count(*) FROM operation_outputs WHERE function_name = 'count'"
        ).fetchone()[0]
        return found
    finally:
        connection.close()


async def test_a_journal_under_load_is_copied_with_every_body_that_it_names(tmp_path: Path) -> None:
    async with rig(tmp_path) as door:
        slow = GatewayControl(tmp_path / "g.sock", timeout=60)
        ended = asyncio.Event()

        async def ask() -> int:
            number = 0
            while not ended.is_set():
                number += 1
                answer = await door.call("POST", body=bytes(300_000 if number % 5 == 0 else 10))
                assert answer.status == 200
            return number

        asking = [asyncio.create_task(ask()) for _ in range(4)]
        for number in range(3):
            (tmp_path / f"backup-{number}").mkdir()
            told = await slow.snapshot(f"backup-{number}")
            copy = SqliteJournal(JournalOptions(tmp_path / f"backup-{number}" / "journal.db"))
            held = await copy.list("default", limit=1000)
            spooled = [r.body for r in held if r.body.spool]
            for body in spooled:
                file = tmp_path / f"backup-{number}" / "spool" / body.spool
                assert file.stat().st_size == body.size == 300_000
            assert sum(told["requests"].values()) == len(held) and told["bodies"] >= len(spooled)
            await copy.close()
        ended.set()
        assert sum(await asyncio.gather(*asking)) > 0


@pytest.mark.parametrize("name", ["backup-..", "elsewhere", "backup-", "backup-a%2F..%2F..%2Fx", "BACKUP-1"])
async def test_the_gateway_copies_nowhere_but_into_folders_of_backups(tmp_path: Path, name: str) -> None:
    async with rig(tmp_path) as door:
        with pytest.raises(HomeportError):
            await door.control.snapshot(name)
        assert not list(tmp_path.rglob("journal.db"))[1:]


async def test_a_copy_of_the_audit_trail_fits_whatever_is_appended_meanwhile(tmp_path: Path) -> None:
    audit = FileAudit(AuditOptions(tmp_path / "audit.jsonl"))
    appending = [
        asyncio.create_task(audit.append(namespace="default", actor="a", action="b", subject=str(number), allowed=True))
        for number in range(200)
    ]
    copies = [await audit.snapshot(tmp_path / f"copy-{number}") for number in range(3)]
    await asyncio.gather(*appending)
    await audit.close()
    for number, entries in enumerate(copies):
        copy = FileAudit(AuditOptions(tmp_path / f"copy-{number}"))
        assert await copy.verify() == entries
        await copy.close()


async def test_code_is_laid_aside_and_outlives_its_removal_links_and_modes_included(tmp_path: Path) -> None:
    code = tmp_path / "agents" / "agt_1" / "code-1"
    (code / "bin").mkdir(parents=True)
    (code / "bin" / "run").write_text("x")
    (code / "bin" / "run").chmod(0o755)
    (code / "link").symlink_to("/etc/passwd")
    (code.parent / "data").mkdir()
    (code.parent / "image-1").write_text("sha256:1")
    code.chmod(0o755)
    assert link_code(tmp_path / "agents", tmp_path / "aside", LeftOut()) == ("agt_1",)
    (code / "bin" / "run").unlink()
    laid = tmp_path / "aside" / "agt_1"
    assert (laid / "code-1" / "bin" / "run").stat().st_mode & 0o777 == 0o755
    assert (laid / "code-1" / "link").is_symlink() and laid.joinpath("code-1").stat().st_mode & 0o777 == 0o755
    assert sorted(entry.name for entry in laid.iterdir()) == ["code-1", "image-1"]


async def test_deletions_wait_while_things_must_stay_and_are_waited_for_before() -> None:
    stillness, order = Stillness(), list[str]()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def delete(name: str) -> None:
        async with stillness.deleting():
            begun.set()
            await go_on.wait()
            order.append(name)

    first = asyncio.create_task(delete("first"))
    await begun.wait()

    async def hold() -> None:
        async with stillness.still():
            second.append(asyncio.create_task(delete("second")))
            await asyncio.sleep(0)
            order.append("still")

    second: list[asyncio.Task[None]] = []
    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, holding)
    await asyncio.gather(*second)
    assert order == ["first", "still", "second"]


async def test_a_shared_database_is_not_copied_as_a_file(tmp_path: Path) -> None:
    durable = DbosDurable(DurableOptions(tmp_path / "d", tmp_path / "l", url="postgresql://nowhere/x"))
    with pytest.raises(UsageError, match="not a file"):
        await durable.cut(tmp_path / "copy")
