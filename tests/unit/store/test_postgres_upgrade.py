# SPDX-License-Identifier: Apache-2.0
"""Opening a PostgreSQL database of yesterday, of tomorrow, of somebody else; and several servers at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest

from homeport.drivers.stores.sql.postgres import Options, PostgresStore
from homeport.drivers.stores.sql.schema import HALF_COPIED, REVISIONS
from homeport.errors import HomeportError, Unavailable, UsageError
from homeport.model.event import Event
from homeport.model.token import Role, Token

FIXTURES = Path(__file__).parents[2] / "golden" / "store"
TABLES = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE n.nspname = 'homeport_store' AND a.attnum > 0 ORDER BY 1, a.attnum
"""
KEYS = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'homeport_store' ORDER BY 1"


def run(url, sql):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else None


def released(url, revision):
    """A database as that release left it."""
    run(url, (FIXTURES / f"postgres-{revision}.sql").read_text())


def schema(url):
    return run(url, TABLES), run(url, KEYS)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
async def test_a_database_of_an_older_release_is_upgraded_with_its_data(database, revision):
    released(database, revision)
    store = await PostgresStore.open(Options(database))
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


async def test_an_upgraded_database_is_like_a_new_one(postgres, database):
    released(database, "0001")
    new = postgres.create_database()
    for url in (database, new):
        await (await PostgresStore.open(Options(url))).close()
    assert schema(database) == schema(new)


@pytest.mark.parametrize("old", [True, False])
async def test_servers_that_start_at_once_create_and_migrate_once(database, old):
    if old:
        released(database, "0001")
    stores = await asyncio.gather(*(PostgresStore.open(Options(database)) for _ in range(4)))
    assert run(database, "SELECT version_num FROM homeport_store.alembic_version") == [(REVISIONS[-1],)]
    for number, store in enumerate(stores):
        await store.put(Event("e", 1, "default", "a", "b"), namespace="new", key=str(number))
    assert [len(await store.list(Event, "new")) for store in stores] == [4] * 4
    await asyncio.gather(*(store.close() for store in stores))


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(database):
    released(database, "0001")
    run(database, "CREATE TABLE homeport_store.tombstones (in_the_way int)")
    before = schema(database)
    with pytest.raises(HomeportError):
        await PostgresStore.open(Options(database))
    assert schema(database) == before
    run(database, "DROP TABLE homeport_store.tombstones")
    store = await PostgresStore.open(Options(database))
    assert len(await store.list(Event)) == 3
    await store.close()


@pytest.mark.parametrize(("revision", "says"), [("9999", "newer"), (HALF_COPIED, "half a copy")])
async def test_a_database_of_a_newer_release_or_half_copied_is_refused_and_not_touched(database, revision, says):
    await (await PostgresStore.open(Options(database))).close()
    run(database, f"UPDATE homeport_store.alembic_version SET version_num = '{revision}'")
    with pytest.raises(HomeportError, match=says) as caught:
        await PostgresStore.open(Options(database))
    assert caught.value.hint
    assert run(database, "SELECT version_num FROM homeport_store.alembic_version") == [(revision,)]


async def test_a_database_that_became_newer_while_it_was_away_is_not_written(database):
    store = await PostgresStore.open(Options(database))
    await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key="e")
    run(database, "UPDATE homeport_store.alembic_version SET version_num = '9999'")
    run(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'homeport%'")
    with pytest.raises(HomeportError, match="newer"):
        await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key="e")
    await store.close()


async def test_tables_of_somebody_else_are_refused_and_not_touched(database):
    run(database, "CREATE SCHEMA homeport_store; CREATE TABLE homeport_store.recipes (name text)")
    with pytest.raises(HomeportError, match="not one of Homeport's"):
        await PostgresStore.open(Options(database))
    assert run(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'homeport_store'") == [(1,)]


async def test_the_tables_of_others_in_the_database_do_not_disturb(database):
    run(database, "CREATE TABLE records (n int); CREATE TABLE alembic_version (version_num text)")
    store = await PostgresStore.open(Options(database))
    assert await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key="e") == 1
    assert run(database, "SELECT count(*) FROM public.records") == [(0,)]
    await store.close()


async def test_a_database_that_cannot_hold_every_text_is_refused(postgres, database):
    postgres.query("postgres", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        url = database.replace(database.split("/")[3].split("?")[0], "ascii")
        with pytest.raises(HomeportError, match="SQL_ASCII") as caught:
            await PostgresStore.open(Options(url))
        assert "UTF8" in caught.value.hint
    finally:
        postgres.query("postgres", "DROP DATABASE ascii")


async def test_keys_are_in_order_in_a_database_of_another_language(postgres, database):
    name = database.split("/")[3].split("?")[0] + "_icu"
    postgres.query("postgres", f"CREATE DATABASE {name} LOCALE_PROVIDER icu ICU_LOCALE 'en' TEMPLATE template0")
    store = await PostgresStore.open(Options(database.replace(name.removesuffix("_icu"), name)))
    keys = ["b", "B", "a", "é", "_", "Z"]
    for key in keys:
        await store.put(Event(key, 1, "default", "a", "b"), namespace="default", key=key)
    assert [s.key for s in await store.list(Event)] == sorted(keys)
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hp:s3cret@nowhere.invalid/homeport",
        "postgresql:///homeport?host=/nonexistent&user=hp&password=s3cret",
        "postgresql://hp:s3cret@127.0.0.1:1/homeport",
        "postgresql://hp:p@s3cret@127.0.0.1:1/homeport",
        "postgresql://hp:s3cret@127.0.0.1:1/homeport?nonsense=1",
        "postgresql://hp:s3cret@[::1/homeport",
        "mysql://hp:s3cret@127.0.0.1:1/homeport",
        "postgresql://hp:s3cret@127.0.0.1:99999/homeport",
        "postgresql://hp:%ZZs3cret@127.0.0.1:1/homeport",
    ],
)
async def test_a_password_is_never_told(url):
    options = Options(url)
    with pytest.raises((Unavailable, UsageError, HomeportError)) as caught:
        await PostgresStore.open(options)
    said = f"{caught.value} {caught.value.to_dict()} {options!r} {caught.value.__cause__}"
    assert "s3cret" not in said and caught.value.hint


@pytest.mark.parametrize("revision", [None, *REVISIONS[:-1]])
async def test_who_only_looks_on_neither_makes_nor_upgrades_tables(database, revision):
    """The server that decides may still be of the older version."""
    if revision is not None:
        released(database, revision)
    before = schema(database)
    with pytest.raises(Unavailable, match="no tables yet" if revision is None else f"schema {revision}"):
        await PostgresStore.open(Options(database, upgrade=False))
    assert schema(database) == before
    await (await PostgresStore.open(Options(database))).close()
    await (await PostgresStore.open(Options(database, upgrade=False))).close()
