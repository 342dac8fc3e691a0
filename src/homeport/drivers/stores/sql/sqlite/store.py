# SPDX-License-Identifier: Apache-2.0
"""The store on one SQLite file: both connections are opened once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homeport.drivers.stores.sql import queries
from homeport.drivers.stores.sql.sqlite.connect import connect
from homeport.drivers.stores.sql.sqlite.snapshot import FileSnapshot
from homeport.drivers.stores.sql.store import SqlStore


@dataclass(frozen=True, slots=True)
class Options:
    path: Path
    """The database file; its folder is made (0700) if it is not there. `-wal` and `-shm` lie beside it."""
    poll: float = 1.0
    """Seconds after which a watch looks for writes of other processes. Writes of this one are seen at once."""


class SqliteStore(SqlStore):
    """Made by `open`."""

    _path: Path

    @classmethod
    async def open(cls, options: Options) -> SqliteStore:
        """Create or upgrade the file, then open it.

        An older schema is backed up beside the file (`NAME.before-REVISION`) and upgraded in one transaction.
        Raises `HomeportError` for a file that is newer than this program, damaged, or not ours; `StorageFull`.
        """
        writer, reader = await connect(options.path)
        store = cls(writer, reader, queries.SQLITE, options.poll)
        store._path = options.path
        return store

    async def cut(self, to: Path) -> FileSnapshot:
        """As `interfaces.snapshots.Cuttable.cut`."""
        return await FileSnapshot.take(self._path, to)
