# SPDX-License-Identifier: Apache-2.0
"""Whole copies of databases in use, made by whoever owns the file, by the library that owns it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable


class Snapshot(Protocol):
    """One database as it was at one moment. Close it whatever happens."""

    async def let_go(self) -> None:
        """Others may commit again; the snapshot stays as it is. Idempotent."""
        ...

    async def save(self) -> dict[str, int]:
        """The copy is whole and on disk when it returns; how many records of each kind it holds.

        Raises `StorageFull` with nothing left behind.
        """
        ...

    async def close(self) -> None:
        """Lets go of everything but a copy that was saved. Idempotent."""
        ...


class Cuttable(Protocol):
    async def cut(self, to: Path) -> Snapshot:
        """From its return until `let_go` nothing is committed. `to` must not exist; it becomes a single file, 0600.

        Several databases that are cut one after the other, and let go after the last, are of one moment.
        Raises `Unavailable` where another writer does not end within seconds.
        """
        ...


@runtime_checkable
class CopiedJournal(Protocol):
    async def snapshot(self, to: Path) -> tuple[dict[str, int], frozenset[str]]:
        """The journal as it is at one moment of the call, as a single file `to`, 0600, which must not exist.

        Requests by state, and the names of the spooled bodies that it refers to. Nobody waits meanwhile.
        Raises `StorageFull` with nothing left behind.
        """
        ...
