# SPDX-License-Identifier: Apache-2.0
"""State: typed records with revisions. Small enough that etcd can implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored(Generic[T]):
    """A record with its place. `revision` is the store-wide counter at its last write."""

    namespace: str
    key: str
    record: T
    revision: int


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """One write seen by a watcher; `record` is None for a deletion."""

    namespace: str
    key: str
    record: T | None
    revision: int


class Store(Protocol):
    """Keys are unique per (record type, namespace). One counter of revisions for all writes, growing.

    Every method raises `UsageError` for a namespace or key that `model.place` refuses, `Unavailable` once closed or
    when the storage does not answer. A cancelled caller may find its write done or not, never half.
    """

    async def get(self, cls: type[T], namespace: str, key: str) -> Stored[T] | None:
        """None when there is no such record. Idempotent."""
        ...

    async def put(self, record: object, *, namespace: str, key: str, expected: int | None = None) -> int:
        """Write and return the new revision; durable when it returns.

        `expected` None: write whatever is there; 0: only if there is none; n: only if the revision is n.
        Raises `Conflict` otherwise (the caller reads again and decides), `StorageFull` with nothing written.
        """
        ...

    async def delete(self, cls: type[object], namespace: str, key: str, *, expected: int | None = None) -> bool:
        """True if it was there. Already gone is False, not an error; `expected` as for `put`."""
        ...

    async def list(
        self, cls: type[T], namespace: str | None = None, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> list[Stored[T]]:
        """In key order (then namespace). `namespace` None: all of them. `after` excludes keys up to it.

        Over all namespaces the last key comes with every namespace that has it, so a page may be a little longer
        than `limit` and `after=page[-1].key` loses none. `limit` 0 or less: nothing.
        """
        ...

    def watch(self, cls: type[T], namespace: str | None = None, *, after: int = 0) -> AsyncIterator[Change[T]]:
        """Changes with a revision above `after`, in order, for ever; first those already there.

        Several writes to one key may be seen as the last of them, never out of order. Deletions are kept for a day.
        """
        ...

    async def close(self) -> None:
        """Idempotent; ends watches."""
        ...
