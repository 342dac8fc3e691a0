# SPDX-License-Identifier: Apache-2.0
"""kill -9 in the middle of writes, and no room left: what was acknowledged is there, nothing is half-written."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.errors import Unavailable
from homeport.model.event import Event

WRITER = """
import asyncio, sys
from pathlib import Path
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.model.event import Event

async def main():
    store = await SqliteStore.open(Options(Path(sys.argv[1])))
    async def write(n):
        i = 0
        while True:
            i += 1
            key = f"{n}-{i:06}"
            revision = await store.put(Event(key, i, "default", "a.b", "x" * 500), namespace="default", key=key)
            print(key, revision, flush=True)
    await asyncio.gather(*(write(n) for n in range(8)))

asyncio.run(main())
"""


def acknowledged_until_killed(path, count):
    """Key and revision of every write that had returned when the writer was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        lines = [writer.stdout.readline() for _ in range(count)]
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
        writer.wait()
        writer.stdout.close()
    return {key: int(revision) for key, revision in (line.split() for line in lines if line.endswith("\n"))}


@pytest.mark.parametrize("count", [1, 40, 200])
async def test_after_kill_9_every_write_that_returned_is_there(tmp_path, count):
    path = tmp_path / "state.db"
    acknowledged = await asyncio.to_thread(acknowledged_until_killed, path, count)
    assert len(acknowledged) >= count
    store = await SqliteStore.open(Options(path))
    there = {s.key: s.revision for s in await store.list(Event, limit=10**6)}
    assert acknowledged.items() <= there.items()
    highest = max(there.values())
    assert sorted(there.values()) == list(range(1, highest + 1))
    assert await store.put(Event("next", 1, "default", "a", "b"), namespace="default", key="next") == highest + 1
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.errors import StorageFull
from homeport.model.event import Event

def fill(n):
    return Event(f"{n:04}", n, "default", "a.b", "x" * 3000)

async def main():
    how, path = sys.argv[1], Path(sys.argv[2])
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = await SqliteStore.open(Options(path))
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    done, full = [], 0
    for n in range(0, 400, 4):
        batch = [store.put(fill(i), namespace="default", key=f"{i:04}") for i in range(n, n + 4)]
        for i, result in enumerate(await asyncio.gather(*batch, return_exceptions=True), n):
            if isinstance(result, StorageFull):
                full += 1
            elif isinstance(result, int):
                done.append(f"{i:04}")
            else:
                raise result
    assert done and full, (len(done), full)
    there = [s.key for s in await store.list(Event, "default", limit=10**6)]
    assert there == done, (len(there), len(done))
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        (path.parent / "ballast").unlink()
    await store.put(fill(9999), namespace="default", key="9999", expected=0)
    assert [s.key for s in await store.list(Event, "default", limit=10**6)] == [*done, "9999"]
    await store.close()
    print("ok", len(done), full)

asyncio.run(main())
"""


def run_full(how, path):
    ran = subprocess.run([sys.executable, "-c", FULL, how, str(path)], capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0 and ran.stdout.startswith("ok"), ran.stderr
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_at_a_size_limit_writers_are_told_nothing_is_half_written_and_it_recovers(tmp_path):
    run_full("limit", tmp_path / "state.db")


def test_on_a_full_disk_writers_are_told_nothing_is_half_written_and_it_recovers(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        (disk / "ballast").write_bytes(bytes(300_000))
        run_full("disk", disk / "state.db")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


async def test_a_file_held_by_another_process_is_unavailable_and_later_it_works(tmp_path):
    path = tmp_path / "state.db"
    store = await SqliteStore.open(Options(path))
    store._writes._link.connection().connection.driver_connection.execute("PRAGMA busy_timeout=100")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key="e")
        assert await store.list(Event) == []
        other.execute("ROLLBACK")
    assert await store.put(Event("e", 1, "default", "a", "b"), namespace="default", key="e") == 1
    await store.close()


async def test_one_write_that_cannot_be_done_does_not_fail_its_neighbours(tmp_path):
    path = tmp_path / "state.db"
    store = await SqliteStore.open(Options(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON records WHEN NEW.key = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    keys = ["a", "b", "bad", "c"]
    puts = [store.put(Event(key, 1, "default", "a", "b"), namespace="default", key=key) for key in keys]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [isinstance(result, int) for result in results] == [True, True, False, True]
    assert [s.key for s in await store.list(Event)] == ["a", "b", "c"]
    await store.close()
