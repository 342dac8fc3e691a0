# SPDX-License-Identifier: Apache-2.0
"""Opening the file: at its schema, readable by its owner only, WAL, synced at every commit."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, event

from homeport.drivers.stores.sql.sqlite.faults import explain
from homeport.drivers.stores.sql.sqlite.upgrade import bring_up_to_date
from homeport.errors import HomeportError

_WRITES = "homeport_writes"
BUSY_S = 10
"""How long one process waits for another's write."""
_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_S * 1000}",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-1024",
    "PRAGMA trusted_schema=OFF",
)


class FileLink:
    """A connection that is open from the start: a file does not go away."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self.name = str(path)
        self._connection = connection
        self._path = path

    def connection(self) -> Connection:
        return self._connection

    def lost(self, error: BaseException) -> bool:
        return False

    def explain(self, error: BaseException) -> HomeportError:
        return explain(error, self._path)

    def close(self) -> None:
        self._connection.close()


async def connect(path: Path) -> tuple[FileLink, FileLink]:
    """The writer and the reader, after creating or upgrading the file. Raises as `SqliteStore.open`."""
    try:
        return await asyncio.to_thread(_connect, path)
    except HomeportError:
        raise
    except Exception as error:
        raise explain(error, path) from error


def _connect(path: Path) -> tuple[FileLink, FileLink]:
    bring_up_to_date(path)
    # Each connection is made in this thread and then used by that of its lane, never by two at once.
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    writer = engine.connect()
    try:
        reader = engine.connect()
    except BaseException:
        writer.close()
        raise
    return FileLink(writer.execution_options(**{_WRITES: True}), path), FileLink(reader, path)


def _prepare(connection: Any, _record: object) -> None:
    # We say BEGIN ourselves: the library's implicit one starts too late for a consistent read.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    _write_ahead(cursor)
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait by itself here: where several open a new file at once, only one may switch it."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
