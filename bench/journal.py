# SPDX-License-Identifier: Apache-2.0
"""Requests through the journal (accepted and completed, both on disk) a second: on PostgreSQL, against SQLite.

Sixteen callers at a time, each with a body and an answer of 200 bytes; and one alone, which shows the way to the disk.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench.measure import Result, Row, arguments, homeport_version, in_turns, output, progress, show
from homeport.interfaces.journal import Journal
from homeport.model.request import Body
from homeport.testing.conformance.journal import flying, response
from homeport.testing.servers.postgres import PostgresServer, programs

_NUMBERS = itertools.count()


async def through(journal: Journal, count: int, callers: int) -> float:
    """Requests a second."""
    left = iter(range(count))

    async def call() -> None:
        for n in left:
            request = flying(next(_NUMBERS), body=Body(b"x" * 200, "", 200), agent=f"agent{n % 8}")
            await journal.accept(request)
            await journal.complete(request.id, 1, response(b"y" * 200))

    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return count / (time.perf_counter() - began)


async def on_sqlite(count: int, callers: int) -> float:
    from homeport.drivers.journals.sqlite import Options, SqliteJournal

    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Options(Path(folder) / "journal.db"))
        try:
            return await through(journal, count, callers)
        finally:
            await journal.close()


async def on_postgres(url: str, count: int, callers: int) -> float:
    from homeport.drivers.journals.postgres import Options, PostgresJournal

    journal = PostgresJournal(Options(url, "bench"))
    await journal.open()
    try:
        return await through(journal, count, callers)
    finally:
        await journal.close()


def run(work: Callable[[], Coroutine[Any, Any, float]]) -> Callable[[], float]:
    import uvloop

    return lambda: uvloop.run(work())


def main() -> int:
    args = arguments(__doc__)
    many, few, runs = (2000, 100, 1) if args.quick else (10_000, 500, 5)
    progress("starting PostgreSQL ...")
    with PostgresServer() as server:
        url = server.create_database()
        found = in_turns(
            {
                "sqlite 16": run(lambda: on_sqlite(many, 16)),
                "postgres 16": run(lambda: on_postgres(url, many, 16)),
                "sqlite 1": run(lambda: on_sqlite(few, 1)),
                "postgres 1": run(lambda: on_postgres(url, few, 1)),
            },
            runs,
        )
    rows = [
        Row("SQLite, 16 callers", found["sqlite 16"], "requests/s"),
        Row("PostgreSQL, 16 callers", found["postgres 16"], "requests/s"),
        Row("PostgreSQL / SQLite, 16 callers", found["postgres 16"] / found["sqlite 16"], "times"),
        Row("PostgreSQL / SQLite, one caller", found["postgres 1"] / found["sqlite 1"], "times"),
    ]
    version = output([str(programs() / "postgres"), "--version"]).split()[2]
    versions = {"homeport": homeport_version(), "postgresql": version}
    return show(Result("journal", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
