# SPDX-License-Identifier: Apache-2.0
"""What SQLite's error codes mean to a caller."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from homeport.errors import NO_ROOM, HomeportError, StorageFull, Unavailable


def explain(error: BaseException, path: Path) -> HomeportError:
    """The error of ours for one of SQLite's, SQLAlchemy's or the operating system's."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) or 0
    named = {"operation": "store", "subject": str(path)}
    no_room = isinstance(cause, OSError) and cause.errno in NO_ROOM
    if no_room or code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE):
        return StorageFull(
            "no room to write state: the disk, a quota or a size limit is reached",
            **named,
            hint=f"free space for {path.parent}, then try again: nothing was half-written",
        )
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable("another process has held the state database for too long", **named)
    if code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return HomeportError(
            "the state database is damaged", **named, hint=f"restore {path.name} from a backup (see {path.parent})"
        )
    if code & 0xFF in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return HomeportError(f"the state database cannot be written: {cause}", **named, hint=f"ls -l {path}")
    return HomeportError(f"the state database failed: {cause}", **named)
