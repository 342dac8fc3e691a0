# SPDX-License-Identifier: Apache-2.0
"""What the store's conformance suite does, as a load: the same calls on PostgreSQL and on SQLite, both synced to disk.

One caller waits for each answer; then many at once, whose writes share a commit. No goal: PostgreSQL is for several
servers, and pays a journey to another process for each statement.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.measure import Result, Row, arguments, homeport_version, in_turns, output, progress, show
from homeport.errors import Conflict
from homeport.interfaces.store import Store
from homeport.model.event import Event
from homeport.testing.servers.postgres import PostgresServer, programs

Opens = Callable[[], Awaitable[Any]]
AT_ONCE = 50


def event(key: str) -> Event:
    return Event(key, 1, "default", "agent.started", "billing", "x" * 300)


async def one_of_each(store: Store, name: str, count: int) -> None:
    """Writes, conflicts, reads, pages, a watch, deletions: as often as the suite has them, more or less."""
    for n in range(count):
        key = f"{name}-{n:04}"
        revision = await store.put(event(key), namespace="default", key=key, expected=0)
        try:
            await store.put(event(key), namespace="default", key=key, expected=0)
        except Conflict:
            await store.put(event(key), namespace="default", key=key, expected=revision)
        await store.get(Event, "default", key)
        await store.list(Event, "default", prefix=f"{name}-", limit=20)
        await store.list(Event, prefix=f"{name}-", limit=20)
        await anext(store.watch(Event, "default", after=revision))
        if n % 2:
            await store.delete(Event, "default", key)


async def alone(opens: Opens, count: int) -> float:
    store = await opens()
    begin = time.perf_counter()
    await one_of_each(store, "alone", count)
    took = time.perf_counter() - begin
    await store.close()
    return took


async def together(opens: Opens, count: int) -> float:
    store = await opens()
    begin = time.perf_counter()
    await asyncio.gather(*(one_of_each(store, f"c{n}", count // AT_ONCE) for n in range(AT_ONCE)))
    took = time.perf_counter() - begin
    await store.close()
    return took


def main() -> int:
    from homeport.drivers.stores.sql.postgres import Options as PostgresOptions
    from homeport.drivers.stores.sql.postgres import PostgresStore
    from homeport.drivers.stores.sql.sqlite import Options, SqliteStore

    args = arguments(__doc__)
    count, runs = (100, 1) if args.quick else (500, 5)
    with PostgresServer() as server, tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(10**6))

        def sqlite() -> Awaitable[Any]:
            return SqliteStore.open(Options(Path(folder) / f"state-{next(numbers)}.db"))

        def postgres() -> Awaitable[Any]:
            return PostgresStore.open(PostgresOptions(server.create_database()))

        progress("in turns ...")
        found = in_turns(
            {
                f"{how}, {name}": lambda work=work, opens=opens: asyncio.run(work(opens, count))  # type: ignore[misc]
                for how, work in (("one caller", alone), (f"{AT_ONCE} callers", together))
                for name, opens in (("SQLite", sqlite), ("PostgreSQL", postgres))
            },
            runs,
        )
    rows = []
    for how in ("one caller", f"{AT_ONCE} callers"):
        seconds = {name: found[f"{how}, {name}"] for name in ("SQLite", "PostgreSQL")}
        rows += [Row(f"{how}, {name}: {count} rounds", value, "s") for name, value in seconds.items()]
        rows.append(Row(f"{how}: PostgreSQL / SQLite", seconds["PostgreSQL"] / seconds["SQLite"], "times"))
    version = output([str(programs() / "postgres"), "--version"]).split()[2]
    versions = {"homeport": homeport_version(), "postgresql": version}
    return show(Result("stores", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
