# SPDX-License-Identifier: Apache-2.0
"""The Store contract over the tables of `schema`: one connection that writes, one that reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from homeport.drivers.stores.sql import queries
from homeport.drivers.stores.sql.lane import Lane, Link
from homeport.errors import Conflict, HomeportError, Unavailable
from homeport.interfaces.store import Change, Stored
from homeport.model import codec
from homeport.model.place import check_place

T = TypeVar("T")


class Writing:
    """One transaction that writes. Nobody else writes between the first statement of this and its commit."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._first: int = connection.execute(queries.LAST).scalar_one()
        self._last: int = self._first

    def next_revision(self) -> int:
        self._last += 1
        return self._last

    def finish(self) -> None:
        if self._last != self._first:
            self.connection.execute(queries.COUNTED, {"b_revision": self._last})


class SqlStore:
    """Several writes that wait together are synced to disk together."""

    def __init__(self, writer: Link, reader: Link, writes: queries.Writes, poll: float) -> None:
        self._writes = Lane(writer, batch=256, enter=Writing, leave=Writing.finish)
        self._reads = Lane(reader)
        self._sql = writes
        self._poll = poll
        self._written = asyncio.Event()
        self._closed = False

    async def get(self, cls: type[T], namespace: str, key: str) -> Stored[T] | None:
        place = _place(cls, namespace, key)

        def read(connection: Connection) -> Any:
            return connection.execute(queries.ONE, place).first()

        row = await self._reads.do(read)
        return None if row is None else Stored(namespace, key, _decode(row.data, cls, namespace, key), row.revision)

    async def put(self, record: object, *, namespace: str, key: str, expected: int | None = None) -> int:
        place = _place(type(record), namespace, key)
        data = codec.pack(record).decode()

        def write(writing: Writing) -> int:
            there = _check(writing.connection, place, expected)
            revision = writing.next_revision()
            writing.connection.execute(self._sql.put, {**place, "b_data": data, "b_revision": revision})
            if not there:
                writing.connection.execute(queries.UNBURY, place)
            return revision

        return await self._write(write)

    async def delete(self, cls: type[object], namespace: str, key: str, *, expected: int | None = None) -> bool:
        place = _place(cls, namespace, key)

        def write(writing: Writing) -> bool:
            if not _check(writing.connection, place, expected):
                return False
            writing.connection.execute(queries.DELETE, place)
            writing.connection.execute(self._sql.bury, {**place, "b_revision": writing.next_revision()})
            writing.connection.execute(self._sql.forget_old)
            return True

        return await self._write(write)

    async def list(
        self, cls: type[T], namespace: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Stored[T]]:
        if limit <= 0 or "\0" in prefix:
            return []
        # No key holds a NUL (and PostgreSQL takes none), so what comes after "a\0…" is what comes after "a".
        statement = queries.page(codec.kind_of(cls), namespace, prefix, after.partition("\0")[0], limit)

        def read(connection: Connection) -> Any:
            return connection.execute(statement).all()

        rows = await self._reads.do(read)
        return [Stored(r.namespace, r.key, _decode(r.data, cls, r.namespace, r.key), r.revision) for r in rows]

    async def watch(self, cls: type[T], namespace: str | None = None, *, after: int = 0) -> AsyncIterator[Change[T]]:
        """As `Store.watch`. While the database is away there are no changes; none is lost."""
        kind = codec.kind_of(cls)
        while not self._closed:
            written = self._written
            statement = queries.changes(kind, namespace, after, 500)

            def read(connection: Connection, statement: Any = statement) -> Any:
                return connection.execute(statement).all()

            try:
                rows = await self._reads.do(read)
            except Unavailable:
                rows = []
            for row in rows:
                record = None if row.data is None else _decode(row.data, cls, row.namespace, row.key)
                yield Change(row.namespace, row.key, record, row.revision)
                after = row.revision
            if not rows:
                await _ring(written, self._poll)

    async def close(self) -> None:
        self._closed = True
        self._written.set()
        await self._writes.close()
        await self._reads.close()

    async def _write(self, job: Callable[[Writing], T]) -> T:
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
