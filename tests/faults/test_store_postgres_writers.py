# SPDX-License-Identifier: Apache-2.0
"""Several servers write to one PostgreSQL: watchers miss nothing, conflicts are seen, crashes lose nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from homeport.drivers.stores.sql.postgres import Options, PostgresStore
from homeport.errors import Conflict, Unavailable
from homeport.model.event import Event

WRITER = """
import asyncio, sys
from homeport.drivers.stores.sql.postgres import Options, PostgresStore
from homeport.errors import Unavailable
from homeport.model.event import Event

async def main():
    name, url, each = sys.argv[1], sys.argv[2], int(sys.argv[3])
    while True:
        try:
            store = await PostgresStore.open(Options(url))
            break
        except Unavailable:
            await asyncio.sleep(0.05)
    async def write(n):
        for i in range(each):
            key = f"{name}-{n}-{i:06}"
            while True:
                try:
                    revision = await store.put(Event(key, i, "default", "a.b", "c"), namespace="default", key=key)
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)
            print(key, revision, flush=True)
    await asyncio.gather(*(write(n) for n in range(4)))
    await store.close()

asyncio.run(main())
"""


def writer(name, url, each):
    argv = [sys.executable, "-c", WRITER, name, url, str(each)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def acknowledged(writers):
    """Key and revision of every write that returned."""
    lines = [line for one in writers for line in one.communicate(timeout=110)[0].splitlines(keepends=True)]
    return {key: int(revision) for key, revision in (line.split() for line in lines if line.endswith("\n"))}


async def seen_until(store, count):
    """Key and revision of the first `count` writes, as a watcher sees them."""
    seen = []
    async for change in store.watch(Event):
        seen.append((change.key, change.revision))
        if len(seen) == count:
            return seen


async def test_a_watcher_misses_no_write_of_any_process_and_sees_them_in_order(database):
    store = await PostgresStore.open(Options(database, poll=0.001))
    writers = [writer(name, database, 60) for name in "abc"]
    watching = asyncio.create_task(seen_until(store, 720))
    written = await asyncio.to_thread(acknowledged, writers)
    async with asyncio.timeout(60):
        seen = await watching
    assert dict(seen) == written and len(written) == 720
    assert [revision for _, revision in seen] == list(range(1, 721))
    await store.close()


async def test_of_two_servers_that_change_one_record_none_overwrites_the_other(database):
    stores = [await PostgresStore.open(Options(database)) for _ in range(3)]
    await stores[0].put(Event("e", 0, "default", "a", "b"), namespace="default", key="e")

    async def add(store):
        for _ in range(15):
            while True:
                found = await store.get(Event, "default", "e")
                new = Event("e", found.record.at_us + 1, "default", "a", "b")
                try:
                    await store.put(new, namespace="default", key="e", expected=found.revision)
                    break
                except Conflict:
                    continue

    await asyncio.gather(*(add(store) for store in stores))
    assert (await stores[1].get(Event, "default", "e")).record.at_us == 45
    await asyncio.gather(*(store.close() for store in stores))


async def test_when_the_server_crashes_under_load_every_write_that_returned_is_there(postgres, database):
    await (await PostgresStore.open(Options(database))).close()
    writers = [writer(name, database, 150) for name in "ab"]
    store = await PostgresStore.open(Options(database, poll=0.01))
    watching = asyncio.create_task(seen_until(store, 1200))
    for end in (postgres.kill, postgres.stop):
        async with asyncio.timeout(60):
            before = await revision(store)
            while await revision(store) < before + 150:
                await asyncio.sleep(0.01)
        end()
        postgres.start()
    written = await asyncio.to_thread(acknowledged, writers)
    there = {s.key: s.revision for s in await store.list(Event, limit=10**6)}
    # A write whose answer was lost is written again by the caller, so it may have a later revision; never none.
    assert there == written and len(there) == 1200
    async with asyncio.timeout(60):
        seen = await watching
    revisions = [number for _, number in seen]
    assert revisions == sorted(set(revisions))
    await store.close()


async def revision(store):
    while True:
        try:
            found = await store.list(Event, limit=10**6)
        except Unavailable:
            continue
        return len(found)
