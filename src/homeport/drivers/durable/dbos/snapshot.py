# SPDX-License-Identifier: Apache-2.0
"""`interfaces.snapshots.Snapshot` of durable.db.

DBOS keeps it without a write-ahead log, where a reader that takes its time holds up every writer: so the copy is made
at the cut, while writers wait. It is small, for ended runs are pruned.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

from homeport.errors import NO_ROOM, HomeportError, StorageFull, Unavailable

WAIT_S = 10


class DurableSnapshot:
    """Made by `take`."""

    def __init__(self, path: Path, to: Path) -> None:
        self._path, self._to = path, to
        self._holder: sqlite3.Connection | None = None

    @classmethod
    async def take(cls, path: Path, to: Path) -> DurableSnapshot:
        made = cls(path, to)
        try:
            await asyncio.to_thread(made._take)
        except BaseException as error:
            await made.close()
            if isinstance(error, sqlite3.Error | OSError):
                raise _as_ours(error) from error
            raise
        return made

    async def let_go(self) -> None:
        if self._holder is not None:
            holder, self._holder = self._holder, None
            await asyncio.to_thread(holder.close)

    async def save(self) -> dict[str, int]:
        return await asyncio.to_thread(self._count)

    async def close(self) -> None:
        await self.let_go()

    def _take(self) -> None:
        self._holder = _connect(self._path)
        self._holder.execute("BEGIN IMMEDIATE")
        os.close(os.open(self._to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        source, target = _connect(self._path), _connect(self._to)
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        except BaseException:
            self._to.unlink()
            raise
        finally:
            target.close()
            source.close()

    def _count(self) -> dict[str, int]:
        copy = _connect(self._to)
        try:
            return {"workflow": copy.execute("SELECT count(*) FROM workflow_status").fetchone()[0]}
        except sqlite3.Error as error:
            raise _as_ours(error) from error
        finally:
            copy.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Used by one thread after the other, never by two at once.
    return sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)


def _as_ours(error: Exception) -> HomeportError:
    full = getattr(error, "sqlite_errorcode", 0) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)
    if full or getattr(error, "errno", 0) in NO_ROOM:
        return StorageFull("no room to copy durable steps", operation="backup", hint="free some disk space")
    return Unavailable(f"durable steps cannot be copied now: {error}", operation="backup")
