# SPDX-License-Identifier: Apache-2.0
"""Opening the file: at its schema, readable by its owner only, WAL, synced at every commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from homeport.drivers.stores.sqlite.faults import explain
from homeport.drivers.stores.sqlite.upgrade import bring_up_to_date
from homeport.errors import HomeportError

_WRITES = "homeport_writes"
_PRAGMAS = (
    "PRAGMA busy_timeout=10000",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-1024",
    "PRAGMA trusted_schema=OFF",
)


@dataclass(frozen=True, slots=True)
class Connections:
    engine: AsyncEngine
    writer: AsyncConnection
    reader: AsyncConnection

    async def dispose(self) -> None:
        """Idempotent; the lanes have closed the connections."""
        await self.engine.dispose()


async def connect(path: Path) -> Connections:
    """Both connections, after creating or upgrading the file. Raises as `SqliteStore.open`."""
    try:
        await asyncio.to_thread(bring_up_to_date, path)
        engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)), poolclass=NullPool)
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        writer = await engine.connect()
        try:
            reader = await engine.connect()
        except BaseException:
            await writer.close()
            raise
        return Connections(engine, await writer.execution_options(**{_WRITES: True}), reader)
    except HomeportError:
        raise
    except Exception as error:
        raise explain(error, path) from error


def _prepare(connection: Any, _record: object) -> None:
    # We say BEGIN ourselves: the library's implicit one starts too late for a consistent read.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
