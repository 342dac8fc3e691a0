# SPDX-License-Identifier: Apache-2.0
"""Opening a state.db of yesterday, of tomorrow, of somebody else."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from homeport.drivers.stores.sql import migrations
from homeport.drivers.stores.sql.schema import REVISIONS
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.errors import HomeportError
from homeport.model.event import Event
from homeport.model.token import Role, Token

FIXTURES = Path(__file__).parents[2] / "golden" / "store"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def released(path, revision):
    """A database as that release left it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FIXTURES / f"state-{revision}.sql").read_text())


def schema(path):
    """Every table and index, however its text is spaced."""
    with closing(sqlite3.connect(path)) as connection:
        found = {}
        for kind, name in connection.execute("SELECT type, name FROM sqlite_master").fetchall():
            if kind == "table":
                keys = [row[1:] for row in connection.execute(f"PRAGMA index_list({name})")]
                found[name] = (connection.execute(f"PRAGMA table_info({name})").fetchall(), sorted(keys))
            else:
                found[name] = connection.execute(f"PRAGMA index_xinfo({name})").fetchall()
        return found


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_a_database_of_an_older_release_is_upgraded_with_its_data(path, revision):
    released(path, revision)
    store = await SqliteStore.open(Options(path))
    events = await store.list(Event, "default")
    assert [(s.key, s.revision, s.record.message, s.record.data) for s in events] == [
        (f"evt_{n}", n, f"it's snow ☃ {n}", {"n": n}) for n in (1, 2, 3)
    ]
    token = await store.get(Token, "team-b", "tok_1")
    assert token.record == Token("tok_1", "team-b", Role.OPERATOR, "ab" * 32, "ci", ("billing",), 5)
    assert await store.put(events[0].record, namespace="default", key="evt_1", expected=1) == 8
    assert await store.delete(Event, "default", "evt_2", expected=2)
    change = await anext(store.watch(Event, after=8))
    assert (change.key, change.record, change.revision) == ("evt_2", None, 9)
    await store.close()


async def test_the_file_before_an_upgrade_is_kept_whole_and_private(path):
    released(path, "0001")
    await (await SqliteStore.open(Options(path))).close()
    copy = path.with_name(f"state.db.before-{REVISIONS[-1]}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (4,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([path.name, copy.name])


async def test_an_upgraded_file_is_like_a_new_one(path, tmp_path):
    released(path, "0001")
    new = tmp_path / "new.db"
    for file in (path, new):
        await (await SqliteStore.open(Options(file))).close()
    assert schema(path) == schema(new)


async def test_an_upgrade_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    released(path, "0001")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE tombstones (in_the_way)")
        connection.commit()
    before = schema(path)
    with pytest.raises(HomeportError):
        await SqliteStore.open(Options(path))
    assert schema(path) == before
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE tombstones")
    store = await SqliteStore.open(Options(path))
    assert len(await store.list(Event)) == 3
    await store.close()


def test_every_revision_is_in_the_list_in_its_order():
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    revisions = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in revisions)[::-1] == REVISIONS
    for revision in REVISIONS[:-1]:
        assert (FIXTURES / f"state-{revision}.sql").exists()


async def test_a_database_of_a_newer_release_is_refused_and_not_touched(path):
    await (await SqliteStore.open(Options(path))).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(HomeportError, match="newer") as caught:
        await SqliteStore.open(Options(path))
    assert "before-" in caught.value.hint
    assert path.read_bytes() == before


async def test_a_record_of_a_newer_release_is_refused_by_name(path):
    store = await SqliteStore.open(Options(path))
    await store.put(Event("evt_1", 1, "default", "a", "b"), namespace="default", key="evt_1")
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("""UPDATE records SET data = replace(data, '"v":1', '"v":99')""")
        connection.commit()
    store = await SqliteStore.open(Options(path))
    with pytest.raises(HomeportError, match=r"event default/evt_1.*newer"):
        await store.get(Event, "default", "evt_1")
    await store.close()


@pytest.mark.parametrize("data", ["", "null", "{}", "[1]", '{"kind":"event","v":1}', '{"kind":"event","v":1,"data":3}'])
async def test_a_record_that_cannot_be_read_is_named(path, data):
    store = await SqliteStore.open(Options(path))
    await store.put(Event("evt_1", 1, "default", "a", "b"), namespace="default", key="evt_1")
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE records SET data = ?", (data,))
        connection.commit()
    store = await SqliteStore.open(Options(path))
    with pytest.raises(HomeportError, match="event default/evt_1"):
        await store.list(Event)
    await store.close()


async def test_a_file_that_is_not_ours_is_refused_and_not_touched(path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
        connection.commit()
    for content in (path.read_bytes(), b"not a database at all, but long enough to be looked at " * 50):
        path.write_bytes(content)
        with pytest.raises(HomeportError) as caught:
            await SqliteStore.open(Options(path))
        assert caught.value.hint
        assert path.read_bytes() == content


async def test_a_folder_in_place_of_the_file_is_an_error_of_ours(path):
    path.mkdir()
    with pytest.raises(HomeportError):
        await SqliteStore.open(Options(path))


async def test_file_and_folder_are_for_their_owner_only(tmp_path):
    path = tmp_path / "new folder with % and ?" / "state.db"
    store = await SqliteStore.open(Options(path))
    await store.put(Event("evt_1", 1, "default", "a", "b"), namespace="default", key="evt_1")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {file.name for file in path.parent.iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await store.close()


async def test_several_that_open_a_new_file_at_once_all_succeed(path):
    stores = await asyncio.gather(*(SqliteStore.open(Options(path)) for _ in range(4)))
    for number, store in enumerate(stores):
        await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key=str(number))
    assert [len(await store.list(Event)) for store in stores] == [4] * 4
    for store in stores:
        await store.close()


async def test_a_watch_sees_what_another_process_writes(path):
    mine = await SqliteStore.open(Options(path, poll=0.05))
    other = await SqliteStore.open(Options(path))
    changes = mine.watch(Event)
    waiting = asyncio.create_task(anext(changes))
    await asyncio.sleep(0.01)
    await other.put(Event("evt_1", 1, "default", "a", "b"), namespace="default", key="evt_1")
    async with asyncio.timeout(30):
        assert (await waiting).key == "evt_1"
    await mine.close()
    await other.close()


async def test_deletions_are_forgotten_after_a_day(path):
    store = await SqliteStore.open(Options(path))
    for key in ("old", "new"):
        await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key=key)
    await store.delete(Event, "default", "old")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE tombstones SET deleted_at = deleted_at - 90000")
        connection.commit()
    await store.delete(Event, "default", "new")
    change = await anext(store.watch(Event))
    assert (change.key, change.record) == ("new", None)
    await store.close()


IMPORTS = """
import asyncio, sys
from pathlib import Path
from homeport.drivers.stores.sql import migrations
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore

async def main():
    for _ in range(2):
        await (await SqliteStore.open(Options(Path(sys.argv[1])))).close()

asyncio.run(main())
print(sorted(name for name in ("alembic", "mako") if name in sys.modules))
"""


def test_the_migration_tool_is_loaded_only_for_a_file_that_is_behind(path, tmp_path):
    def run(file):
        ran = subprocess.run([sys.executable, "-c", IMPORTS, str(file)], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    assert run(tmp_path / "new.db") == "[]"
    released(path, "0001")
    assert "alembic" in run(path)
