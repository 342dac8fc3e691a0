# SPDX-License-Identifier: Apache-2.0
"""The Store contract over SQLite: one connection that writes, one that reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from homeport.drivers.stores.sqlite import queries
from homeport.drivers.stores.sqlite.connect import Connections, connect
from homeport.drivers.stores.sqlite.lane import Lane
from homeport.errors import Conflict, HomeportError
from homeport.interfaces.store import Change, Stored
from homeport.model import codec
from homeport.model.place import check_place

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Options:
    path: Path
    """The database file; its folder is made (0700) if it is not there. `-wal` and `-shm` lie beside it."""
    poll: float = 1.0
    """Seconds after which a watch looks for writes of other processes. Writes of this one are seen at once."""


class SqliteStore:
    """Made by `open`. Several writes that wait together are synced to disk together."""

    def __init__(self, options: Options, connections: Connections) -> None:
        self._options = options
        self._connections = connections
        self._writes = Lane(connections.writer, options.path, batch=256)
        self._reads = Lane(connections.reader, options.path)
        self._written = asyncio.Event()
        self._closed = False

    @classmethod
    async def open(cls, options: Options) -> SqliteStore:
        """Create or upgrade the file, then open it.

        An older schema is backed up beside the file (`NAME.before-REVISION`) and upgraded in one transaction.
        Raises `HomeportError` for a file that is newer than this program, damaged, or not ours; `StorageFull`.
        """
        return cls(options, await connect(options.path))

    async def get(self, cls: type[T], namespace: str, key: str) -> Stored[T] | None:
        place = _place(cls, namespace, key)

        def read(connection: Connection) -> Any:
            return connection.execute(queries.ONE, place).first()

        row = await self._reads.do(read)
        return None if row is None else Stored(namespace, key, _decode(row.data, cls, namespace, key), row.revision)

    async def put(self, record: object, *, namespace: str, key: str, expected: int | None = None) -> int:
        place = _place(type(record), namespace, key)
        data = codec.pack(record).decode()

        def write(connection: Connection) -> int:
            _check(connection, place, expected)
            revision: int = connection.execute(queries.NEXT).scalar_one()
            connection.execute(queries.PUT, {**place, "b_data": data, "b_revision": revision})
            connection.execute(queries.UNBURY, place)
            return revision

        return await self._write(write)

    async def delete(self, cls: type[object], namespace: str, key: str, *, expected: int | None = None) -> bool:
        place = _place(cls, namespace, key)

        def write(connection: Connection) -> bool:
            if not _check(connection, place, expected):
                return False
            revision: int = connection.execute(queries.NEXT).scalar_one()
            connection.execute(queries.DELETE, place)
            connection.execute(queries.BURY, {**place, "b_revision": revision})
            connection.execute(queries.FORGET_OLD)
            return True

        return await self._write(write)

    async def list(
        self, cls: type[T], namespace: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Stored[T]]:
        if limit <= 0:
            return []
        statement = queries.page(codec.kind_of(cls), namespace, prefix, after, limit)

        def read(connection: Connection) -> Any:
            return connection.execute(statement).all()

        rows = await self._reads.do(read)
        return [Stored(r.namespace, r.key, _decode(r.data, cls, r.namespace, r.key), r.revision) for r in rows]

    async def watch(self, cls: type[T], namespace: str | None = None, *, after: int = 0) -> AsyncIterator[Change[T]]:
        kind = codec.kind_of(cls)
        while not self._closed:
            written = self._written
            statement = queries.changes(kind, namespace, after, 500)

            def read(connection: Connection, statement: Any = statement) -> Any:
                return connection.execute(statement).all()

            rows = await self._reads.do(read)
            for row in rows:
                record = None if row.data is None else _decode(row.data, cls, row.namespace, row.key)
                yield Change(row.namespace, row.key, record, row.revision)
                after = row.revision
            if not rows:
                await _ring(written, self._options.poll)

    async def close(self) -> None:
        self._closed = True
        self._written.set()
        await self._writes.close()
        await self._reads.close()
        self._connections.dispose()

    async def _write(self, job: Callable[[Connection], T]) -> T:
        result = await self._writes.do(job)
        rung, self._written = self._written, asyncio.Event()
        rung.set()
        return result


def _place(cls: type[object], namespace: str, key: str) -> dict[str, str]:
    check_place(namespace, key)
    return {"b_kind": codec.kind_of(cls), "b_namespace": namespace, "b_key": key}


def _check(connection: Connection, place: dict[str, str], expected: int | None) -> int:
    """The revision there is, 0 for none. Raises `Conflict` unless it is the expected one."""
    found: int = connection.execute(queries.REVISION, place).scalar() or 0
    if expected is None or found == expected:
        return found
    subject = f"{place['b_kind']} {place['b_namespace']}/{place['b_key']}"
    what = "exists already" if expected == 0 else "was deleted" if found == 0 else f"is at revision {found}"
    raise Conflict(f"{subject} {what}, not {expected or 'absent'}", operation="store", subject=subject)


def _decode(data: str, cls: type[T], namespace: str, key: str) -> T:
    try:
        return codec.unpack(data, cls)
    except (HomeportError, msgspec.DecodeError, KeyError, TypeError) as error:
        subject = f"{codec.kind_of(cls)} {namespace}/{key}"
        hint = getattr(error, "hint", "") or "restore the backup of the state database"
        raise HomeportError(f"cannot read {subject}: {error}", operation="store", subject=subject, hint=hint) from error


async def _ring(written: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await written.wait()
    except TimeoutError:
        pass
