# SPDX-License-Identifier: Apache-2.0
"""`interfaces.snapshots.Snapshot` of the state file: held for the moment of the cut, copied while others write on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

from homeport.drivers.stores.sql.sqlite.faults import explain

WAIT_S = 10


class FileSnapshot:
    """Made by `take`. Readers of a WAL file hinder no writer, so the copy may take its time."""

    def __init__(self, path: Path, to: Path) -> None:
        self._path, self._to = path, to
        self._holder: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None

    @classmethod
    async def take(cls, path: Path, to: Path) -> FileSnapshot:
        made = cls(path, to)
        try:
            await asyncio.to_thread(made._take)
        except BaseException as error:
            await made.close()
            if isinstance(error, sqlite3.Error | OSError):
                raise explain(error, path) from error
            raise
        return made

    async def let_go(self) -> None:
        if self._holder is not None:
            holder, self._holder = self._holder, None
            await asyncio.to_thread(holder.close)

    async def save(self) -> dict[str, int]:
        try:
            return await asyncio.to_thread(self._save)
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self._to) from error

    async def close(self) -> None:
        await self.let_go()
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await asyncio.to_thread(reader.close)

    def _take(self) -> None:
        self._holder = _connect(self._path)
        self._holder.execute("BEGIN IMMEDIATE")
        self._reader = _connect(self._path)
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it reads this state

    def _save(self) -> dict[str, int]:
        assert self._reader is not None
        os.close(os.open(self._to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            target = _connect(self._to)
            try:
                self._reader.backup(target)
                target.execute("PRAGMA journal_mode=DELETE")
                return dict(target.execute("SELECT kind, count(*) FROM records GROUP BY kind").fetchall())
            finally:
                target.close()
        except BaseException:
            self._to.unlink()
            raise


def _connect(path: Path) -> sqlite3.Connection:
    # Used by one thread after the other, never by two at once.
    return sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
