# SPDX-License-Identifier: Apache-2.0
"""A Store in memory, kept honest by the suite that the real ones pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

from homeport.errors import Conflict, Unavailable
from homeport.interfaces.store import Change, Stored
from homeport.model import codec
from homeport.model.place import check_place

T = TypeVar("T")
Place = tuple[str, str, str]


class MemoryStore:
    """Records are kept encoded, so that what a real store cannot hold fails here too. Deletions are kept for ever."""

    def __init__(self) -> None:
        self.revision = 0
        self._records: dict[Place, tuple[bytes | None, int]] = {}
        self._written = asyncio.Event()
        self._closed = False

    async def get(self, cls: type[T], namespace: str, key: str) -> Stored[T] | None:
        data, revision = self._records.get(self._place(cls, namespace, key), (None, 0))
        return None if data is None else Stored(namespace, key, codec.unpack(data, cls), revision)

    async def put(self, record: object, *, namespace: str, key: str, expected: int | None = None) -> int:
        place = self._place(type(record), namespace, key)
        self._check(place, expected)
        return self._write(place, codec.pack(record))

    async def delete(self, cls: type[object], namespace: str, key: str, *, expected: int | None = None) -> bool:
        place = self._place(cls, namespace, key)
        if not self._check(place, expected):
            return False
        self._write(place, None)
        return True

    async def list(
        self, cls: type[T], namespace: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Stored[T]]:
        self._check_open()
        found = sorted(
            (key, there, data, revision)
            for (kind, there, key), (data, revision) in self._records.items()
            if data is not None and kind == codec.kind_of(cls) and namespace in (None, there)
            if key.startswith(prefix) and key > after
        )
        last = found[:limit][-1][0] if limit > 0 and found else ""
        page = [(key, there, data, revision) for key, there, data, revision in found if key <= last]
        return [Stored(there, key, codec.unpack(data, cls), revision) for key, there, data, revision in page]

    async def watch(self, cls: type[T], namespace: str | None = None, *, after: int = 0) -> AsyncIterator[Change[T]]:
        kind = codec.kind_of(cls)
        while not self._closed:
            written = self._written
            found = sorted(
                (revision, there, key, data)
                for (its_kind, there, key), (data, revision) in self._records.items()
                if its_kind == kind and revision > after and namespace in (None, there)
            )
            for revision, there, key, data in found:
                yield Change(there, key, None if data is None else codec.unpack(data, cls), revision)
                after = revision
            if not found:
                await written.wait()

    async def close(self) -> None:
        self._closed = True
        self._written.set()

    def _place(self, cls: type[Any], namespace: str, key: str) -> Place:
        self._check_open()
        check_place(namespace, key)
        return codec.kind_of(cls), namespace, key

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed", operation="store")

    def _check(self, place: Place, expected: int | None) -> int:
        data, revision = self._records.get(place, (None, 0))
        found = 0 if data is None else revision
        if expected is not None and found != expected:
            raise Conflict(f"{place} is at revision {found}, not {expected}", operation="store", subject=place[2])
        return found

    def _write(self, place: Place, data: bytes | None) -> int:
        self.revision += 1
        self._records[place] = (data, self.revision)
        rung, self._written = self._written, asyncio.Event()
        rung.set()
        return self.revision
