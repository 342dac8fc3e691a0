# SPDX-License-Identifier: Apache-2.0
"""`homeport store copy`: SQLite to PostgreSQL and back, everything compared; what it refuses; what a crash leaves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from copying import LARGE, fill, sagas
from homeport.app.copying import copy, snapshot
from homeport.drivers.durable.dbos import DbosDurable
from homeport.drivers.durable.dbos import Options as DurableOptions
from homeport.drivers.journals.postgres import Options as JournalOptions
from homeport.drivers.journals.postgres import PostgresJournal
from homeport.drivers.journals.sqlite import Options as FileOptions
from homeport.drivers.journals.sqlite import SqliteJournal
from homeport.drivers.stores.sql.postgres import Options, PostgresStore
from homeport.drivers.stores.sql.sqlite import Options as StoreOptions
from homeport.drivers.stores.sql.sqlite import SqliteStore
from homeport.errors import Conflict, HomeportError, NotFound
from homeport.interfaces.durable import WorkflowState
from homeport.interfaces.transfer import Where
from homeport.model.event import Event

TABLES = ("workflow_status", "operation_outputs", "notifications", "workflow_input", "workflow_output")


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "state"
    folder.mkdir()
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def home(original, tmp_path):
    """A state folder of the test's own."""
    folder = tmp_path / "home" / "state"
    subprocess.run(["cp", "-a", "--", str(original), str(folder.parent)], check=False)
    folder.parent.mkdir(exist_ok=True)
    subprocess.run(["cp", "-a", "--", f"{original}/.", str(folder)], check=True) if not folder.exists() else None
    return folder


def dump(folder):
    """Every row of the three files, and the bodies."""
    found = {}
    for name in ("state.db", "journal.db", "durable.db"):
        with closing(sqlite3.connect(folder / name)) as connection:
            connection.text_factory = bytes
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                table = table.decode()
                if table in ("requests", "responses", "bodies"):  # their order is one of ids there, of arrival here
                    rows = connection.execute(f"SELECT * FROM {table} ORDER BY n").fetchall()
                else:
                    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
                found[name, table] = sorted(rows, key=repr)
            assert connection.execute("PRAGMA integrity_check").fetchone() == (b"ok",)
    found["bodies"] = {path.name: path.read_bytes() for path in (folder / "spool").iterdir()}
    return found


def command(*arguments, env=None):
    argv = [sys.executable, "-c", "from homeport.cli import main; import sys; sys.exit(main())", "store", "copy"]
    given = {**os.environ, **(env or {})}
    return subprocess.run([*argv, *map(str, arguments)], capture_output=True, text=True, env=given, timeout=100)


async def test_to_postgresql_and_back_everything_is_the_same(home, database, tmp_path):
    back = tmp_path / "back"
    there = await asyncio.to_thread(copy, Where(folder=home), Where(url=database))
    again = await asyncio.to_thread(copy, Where(url=database), Where(folder=back))
    assert there.found == there.made == again.found == again.made
    counts = {line.kind: line.count for line in there.found}
    assert counts["record event"] == 1198 and counts["deletion"] == 2 and counts["large body"] == 6
    assert counts["request completed"] == 2 and counts["request dead"] == 1 and counts["request in_flight"] == 1
    assert counts["steps workflow_status"] == 2 and counts["steps notifications"] == 1
    before, after = dump(home), dump(back)
    assert before["bodies"].pop("of nobody")
    # What no other database can hold has become a mark of replacement; what the server tells anew is not copied.
    odd = [row for row in before["journal.db", "requests"] if b"?x=" in row[5]]
    assert len(odd) == 1
    before["journal.db", "requests"].remove(odd[0])
    after["journal.db", "requests"] = [row for row in after["journal.db", "requests"] if b"?x=" not in row[5]]
    before["journal.db", "notes"] = []
    assert before.keys() == after.keys()
    for part in before:
        assert before[part] == after[part], part


async def test_a_server_on_postgresql_goes_on_where_the_one_on_sqlite_stopped(home, database, tmp_path):
    report = await asyncio.to_thread(copy, Where(folder=home), Where(url=database))
    assert report.replaced == ""
    store = await PostgresStore.open(Options(database))
    stored = await store.get(Event, "default", "evt_0000")
    assert stored.revision == 1 and stored.record.data == {"n": 0}
    assert await store.put(stored.record, namespace="default", key="evt_0000", expected=1) == 1204
    changes = store.watch(Event, "team-b", after=1200)
    assert [(await anext(changes)).key for _ in range(2)] == ["evt_0003", "evt_0007"]
    await store.close()

    journal = PostgresJournal(JournalOptions(database, "node-1"))
    await journal.open()
    assert {state.value: n for state, n in (await journal.counts()).items() if n} == {
        "pending": 2, "in_flight": 1, "completed": 2, "dead": 1,
    }  # fmt: skip
    answered = await journal.get("req_1")
    assert answered.response.body.inline == b"\0\xff" and answered.body.inline == b"\1" * 5000
    assert await journal.shelf.fetch("req_3.answer", tmp_path / "body")
    assert (tmp_path / "body").read_bytes() == LARGE[::-1]
    assert await journal.shelf.orphans() == []
    assert [r.id for r in await journal.interrupted(owner="node-1", now_us=2 * 10**15)] == ["req_5"]
    await journal.close()

    ran, waiting = [], asyncio.Event()
    waiting.set()
    durable = DbosDurable(DurableOptions(home / "unused.db", home / "other.lock", url=database))
    sagas(durable, waiting, ran)
    await durable.launch()
    assert (await durable.wait("under way", 60)).state is WorkflowState.SUCCEEDED
    assert (await durable.status("done")).state is WorkflowState.SUCCEEDED
    assert ran == ["second"]
    await durable.close()


async def test_a_database_in_use_is_copied_as_it_was_at_one_moment(home, database, tmp_path):
    await asyncio.to_thread(copy, Where(folder=home), Where(url=database))
    store = await PostgresStore.open(Options(database))
    writing = asyncio.create_task(_write_until_cancelled(store))
    lines = await asyncio.to_thread(snapshot, Where(url=database), tmp_path / "cut")
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.close()
    cut = await SqliteStore.open(StoreOptions(tmp_path / "cut" / "state.db"))
    revisions = sorted(s.revision for s in await cut.list(Event, "busy", limit=10**6))
    assert revisions == list(range(1204, 1204 + len(revisions)))
    await cut.close()
    assert {line.kind: line.count for line in lines}["record event"] == 1198 + len(revisions)
    journal = SqliteJournal(FileOptions(tmp_path / "cut" / "journal.db"))
    assert (await journal.get("req_1")).response.status == 200
    await journal.close()


async def _write_until_cancelled(store):
    n = 0
    while True:
        n += 1
        await store.put(Event("e", n, "busy", "a", "b"), namespace="busy", key=f"{n:06}")


def test_the_command_prints_counts_and_a_dry_run_changes_nothing(home, database):
    dry = command(home, database, "--dry-run", "--json")
    assert dry.returncode == 0, dry.stderr
    found = json.loads(dry.stdout)
    assert found["dry_run"] and found["made"] == []
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT 1 FROM pg_tables WHERE schemaname ~ 'homeport|dbos'").fetchall() == []
    done = command(home / "state.db", "env:TARGET", env={"TARGET": database})
    assert done.returncode == 0, done.stderr
    assert "record event" in done.stdout and "all counts and digests are equal" in done.stderr
    again = command(home, database, "--json")
    assert again.returncode == 1 and json.loads(again.stdout)["error"]["type"] == "Conflict"
    assert command(home, database, "--replace").returncode == 2
    replaced = command(home, database, "--replace", "--yes", "--json")
    assert json.loads(replaced.stdout)["made"] == found["found"], replaced.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("postgresql://u:s3cret@h/d", "x"), "password"),
        (("x", "postgresql://h/d?password=s3cret"), "password"),
        (("x", "postgresql://u:a@s3cret@h/d"), "cannot be read"),
        (("x", "mysql://u:s3cret@h/d"), "neither"),
        (("x", "env:NOT_SET"), "NOT_SET"),
        (("x", ""), "neither"),
        (("x", "x"), "same place"),
    ],
)
def test_what_cannot_be_a_place_is_refused_without_showing_a_password(arguments, says):
    done = command(*arguments)
    assert done.returncode == 2 and says in done.stderr and "s3cret" not in done.stderr


async def test_nothing_is_copied_while_a_server_runs(home, database, tmp_path):
    source, target = Where(folder=home), Where(url=database)
    durable = DbosDurable(DurableOptions(home / "durable.db", home / "durable.lock"))
    durable.claim()
    with pytest.raises(Conflict, match="server runs"):
        await asyncio.to_thread(copy, source, target)
    await durable.close()
    journal = SqliteJournal(FileOptions(home / "journal.db"))
    with pytest.raises(Conflict, match="gateway runs"):
        await asyncio.to_thread(copy, source, target)
    await journal.close()
    store = await PostgresStore.open(Options(database))
    await store.list(Event)
    for one, other in ((source, target), (target, Where(folder=tmp_path / "new"))):
        with pytest.raises(Conflict, match="is connected"):
            await asyncio.to_thread(copy, one, other)
    await store.close()
    gateway = PostgresJournal(JournalOptions(database, "node-1"))
    await gateway.open()
    with pytest.raises(Conflict, match="is connected"):
        await asyncio.to_thread(copy, source, target)
    await gateway.close()
    await asyncio.to_thread(copy, source, target)


def test_a_place_without_a_home_is_not_a_source_and_no_folder_is_made(tmp_path, database):
    for where in (Where(folder=tmp_path / "nothing"), Where(url=database)):
        with pytest.raises(NotFound):
            copy(where, Where(folder=tmp_path / "target"))
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_holds_something_is_replaced_only_when_told_and_kept_aside(home, database, tmp_path):
    copy(Where(folder=home), Where(url=database))
    before = dump(home)
    (home / "secrets.txt").write_text("of another room")
    with pytest.raises(Conflict, match="holds a Homeport"):
        copy(Where(url=database), Where(folder=home))
    assert dump(home) == before
    report = copy(Where(url=database), Where(folder=home), replacing=True)
    assert dump(Path(report.replaced)) == before
    assert {path.name for path in home.iterdir()} == {
        "state.db", "journal.db", "durable.db", "spool", "durable.lock", "journal.db.lock", "secrets.txt",
        Path(report.replaced).name,
    }  # fmt: skip


KILLED = """
import os, signal, sys
from pathlib import Path
from homeport.app import copying, foldercopy
from homeport.interfaces.transfer import Where

source, target, at = sys.argv[1:]
def where(text): return Where(url=text) if "://" in text else Where(folder=Path(text))
count = 0
def die(original):
    def wrapped(*args, **kwargs):
        global count
        count += 1
        if count == int(at):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    return wrapped

from homeport.drivers.stores.sql.transfer import StatePart
from homeport.drivers.durable.dbos.transfer import StepsPart
from homeport.drivers.journals.postgres.transfer import JournalPart as Database
from homeport.drivers.journals.sqlite.transfer import JournalPart as Folder
for part in (StatePart, StepsPart, Database, Folder):
    part.commit, part.put = die(part.commit), die(part.put)
Path.rename, Path.replace = die(Path.rename), die(Path.replace)
copying.copy(where(source), where(target), replacing=True)
print("done", count)
"""


def killed(source, target, at):
    """Whether it was; else it is done."""
    argv = [sys.executable, "-c", KILLED, str(source), str(target), str(at)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=100)
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr
    return ran.returncode != 0


def test_killed_at_any_moment_a_database_is_as_before_or_refused_and_the_next_copy_works(home, database):
    for at in (3, 4, 5, 6):  # three parts are put; then the mark, three commits
        assert killed(home, database, at)
        try:
            asyncio.run(_opened(PostgresStore.open(Options(database))))
            assert at < 4 and _records(database) == 0
        except HomeportError as error:
            assert at >= 4 and "half a copy" in str(error)
    with pytest.raises(HomeportError, match="half a copy"):
        copy(Where(url=database), Where(folder=home / "check"))
    assert copy(Where(folder=home), Where(url=database)).made == copy(
        Where(url=database), Where(folder=home / "check")
    ).made  # fmt: skip


def test_killed_at_any_moment_a_folder_is_as_before_or_refused_and_the_next_copy_works(home, database):
    copy(Where(folder=home), Where(url=database))
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE homeport_store.counter SET revision = 5000")
    before = dump(home)
    # Three parts are put, three committed beside; then the mark, what was there aside, the new in, the state last.
    for at in (3, 7, 8, 10, 11):
        assert killed(database, home, at)
        try:
            asyncio.run(_opened(SqliteStore.open(StoreOptions(home / "state.db"))))
            assert at < 8 and dump(home) == before
        except HomeportError as error:
            assert at >= 8 and "half a copy" in str(error)
    copy(Where(url=database), Where(folder=home))
    after = dump(home)
    assert after["state.db", "counter"] == [(1, 5000)] != before["state.db", "counter"]
    assert before["state.db", "records"] == after["state.db", "records"] and not (home / ".copying").exists()
    asides = [path for path in home.iterdir() if path.name.startswith("replaced-")]
    kept = [path / name for name in ("state.db", "journal.db", "durable.db", "spool") for path in asides]
    assert {path.name for path in kept if path.exists()} == {"state.db", "journal.db", "durable.db", "spool"}


def _records(url):
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT count(*) FROM homeport_store.records").fetchone()[0]


async def _opened(opening):
    await (await opening).close()


def test_ctrl_c_leaves_nothing_behind(home, database, tmp_path):
    argv = [sys.executable, "-c", "from homeport.cli import main; import sys; sys.exit(main())", "store", "copy"]
    running = subprocess.Popen([*argv, str(home), database], stderr=subprocess.PIPE, text=True)
    assert "copying" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130, said
    assert command(database, tmp_path / "new", "--dry-run").returncode != 0 or not _records(database)
    assert copy(Where(folder=home), Where(url=database)).made
