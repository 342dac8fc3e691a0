# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL stopped, killed, hanging, full; a server that went silent in the middle of a write."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from homeport.drivers import postgresql
from homeport.drivers.stores.sql.postgres import Options, PostgresStore, connect
from homeport.errors import StorageFull, Unavailable
from homeport.model.event import Event


def event(key="e", message=""):
    return Event(key, 1, "default", "a.b", "c", message)


@pytest.fixture
async def store(postgres, database):
    store = await PostgresStore.open(Options(database, poll=0.05))
    yield store
    await store.close()


async def put(store, key, message=""):
    return await store.put(event(key, message), namespace="default", key=key)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_the_first_call_after_a_restart_works(postgres, store, end):
    await put(store, "a")
    assert len(await store.list(Event)) == 1
    getattr(postgres, end)()
    postgres.start()
    assert await put(store, "b") == 2
    getattr(postgres, end)()
    postgres.start()
    assert [s.key for s in await store.list(Event)] == ["a", "b"]


async def test_without_a_server_calls_say_so_and_go_on_when_it_is_back(postgres, store):
    await put(store, "a")
    changes = store.watch(Event)
    assert (await anext(changes)).key == "a"
    postgres.stop()
    try:
        watching = asyncio.create_task(anext(changes))
        for _ in range(2):
            async with asyncio.timeout(60):
                tries = [put(store, str(n)) for n in range(50)] + [store.list(Event) for _ in range(50)]
                results = await asyncio.gather(*tries, return_exceptions=True)
            assert {type(result) for result in results} == {Unavailable}
            assert results[0].retry and "does not answer" in str(results[0]) and results[0].hint
        with pytest.raises(Unavailable):
            await PostgresStore.open(Options(store._writes._link._url))
        assert not watching.done()
    finally:
        postgres.start()
    assert await put(store, "b") == 2
    async with asyncio.timeout(60):
        assert (await watching).key == "b"


async def test_a_server_that_hangs_is_unavailable_within_a_bound_and_later_it_works(postgres, store, monkeypatch):
    monkeypatch.setattr(postgresql, "ANSWER_S", 1.0)
    monkeypatch.setattr(postgresql, "CONNECT_S", 2)
    await put(store, "a")
    await store.list(Event)
    postgres.pause()
    try:
        async with asyncio.timeout(60):
            tries = [put(store, f"w{n}") for n in range(300)] + [store.list(Event) for _ in range(300)]
            results = await asyncio.gather(*tries, return_exceptions=True)
        assert {type(result) for result in results} == {Unavailable}
        async with asyncio.timeout(60):
            with pytest.raises(Unavailable):
                await put(store, "again")
    finally:
        postgres.resume()
    await put(store, "b", "after")
    there = {s.key for s in await store.list(Event)}
    # What hung may have been done when the server went on: whole, or not at all.
    assert {"a", "b"} <= there <= {"a", "b", "again", *(f"w{n}" for n in range(300))}


async def test_a_server_that_hangs_does_not_keep_a_store_from_closing(postgres, database, monkeypatch):
    monkeypatch.setattr(postgresql, "ANSWER_S", 1.0)
    monkeypatch.setattr(postgresql, "CONNECT_S", 2)
    store = await PostgresStore.open(Options(database))
    await put(store, "a")
    postgres.pause()
    try:
        writing = asyncio.create_task(put(store, "b"))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await store.close()
        with pytest.raises(Unavailable):
            await writing
    finally:
        postgres.resume()


async def test_a_writer_that_went_silent_is_cut_off_by_the_server(postgres, database, monkeypatch):
    monkeypatch.setattr(connect, "BUSY_S", 2)
    silent = connect.connect(database, "homeport_store")
    store = await PostgresStore.open(Options(database))
    try:
        silent.execute("SELECT revision FROM counter FOR UPDATE")
        async with asyncio.timeout(60):
            while True:
                try:
                    await put(store, "a")
                    break
                except Unavailable as error:
                    assert "held the state database" in str(error)
    finally:
        silent.close()
        await store.close()


async def test_a_caller_that_gives_up_while_the_server_hangs_leaves_nothing_half_done(postgres, store):
    await put(store, "a")
    postgres.pause()
    try:
        tasks = [asyncio.create_task(put(store, f"k{n}")) for n in range(20)]
        await asyncio.sleep(0.1)
        for task in tasks[::2]:
            task.cancel()
    finally:
        postgres.resume()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    there = {s.key: s.revision for s in await store.list(Event)}
    assert {f"k{n}" for n in range(1, 20, 2)} <= there.keys()
    assert all(there[f"k{n}"] == result for n, result in enumerate(results) if isinstance(result, int))
    assert sorted(there.values()) == list(range(1, len(there) + 1))


async def test_one_write_that_cannot_be_done_does_not_fail_its_neighbours(store, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE homeport_store.records ADD CONSTRAINT refuse CHECK (key <> 'bad')")
    keys = ["a", "b", "bad", "c"]
    results = await asyncio.gather(*(put(store, key, "s3cret") for key in keys), return_exceptions=True)
    assert [isinstance(result, int) for result in results] == [True, True, False, True]
    assert "s3cret" not in str(results[2])
    assert [s.key for s in await store.list(Event)] == ["a", "b", "c"]


@pytest.fixture
def small_disk(postgres):
    """A database on a disk of 16 MiB of its own; its URL, and a file to remove when room is wanted."""
    folder = Path(tempfile.mkdtemp(prefix="hp-pg-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        folder.chmod(0o777)
        subprocess.run(["install", "-d", "-o", "postgres", "-g", "postgres", str(folder / "t")], check=True)
        name = folder.name.replace("-", "_")
        postgres.query("postgres", f"CREATE TABLESPACE {name} LOCATION '{folder}/t'")
        postgres.query("postgres", f"CREATE DATABASE {name} TABLESPACE {name}")
        try:
            template = postgres.create_database()
            yield template.replace(template.split("/")[3].split("?")[0], name), folder
        finally:
            postgres.query("postgres", f"DROP DATABASE {name} WITH (FORCE)")
            postgres.query("postgres", f"DROP TABLESPACE {name}")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


async def test_on_a_full_disk_writers_are_told_nothing_is_half_written_and_it_recovers(small_disk):
    url, folder = small_disk
    store = await PostgresStore.open(Options(url))
    free = 512 * 1024
    status = os.statvfs(folder)
    (folder / "ballast").write_bytes(bytes(status.f_bavail * status.f_frsize - free))
    done, full = [], 0
    for n in range(0, 800, 8):
        # Incompressible, or PostgreSQL would pack it.
        batch = [put(store, f"{i:04}", os.urandom(2000).hex()) for i in range(n, n + 8)]
        for i, result in enumerate(await asyncio.gather(*batch, return_exceptions=True), n):
            if isinstance(result, StorageFull):
                full += 1
            else:
                assert isinstance(result, int), result
                done.append(f"{i:04}")
        if full > 8:
            break
    assert done and full, (len(done), full)
    assert [s.key for s in await store.list(Event, limit=10**6)] == done
    (folder / "ballast").unlink()
    await put(store, "9999")
    assert [s.key for s in await store.list(Event, limit=10**6)] == [*done, "9999"]
    await store.close()
