# SPDX-License-Identifier: Apache-2.0
"""Opening the file: the owner's lock, the settings of durability, migrations, and errors in our words."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import apsw

from homeport.drivers.journals.sqlite.damage import check_files, check_log
from homeport.drivers.journals.sqlite.schema import MIGRATIONS
from homeport.errors import Conflict, HomeportError, StorageFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def lock(path: Path) -> int:
    """The open, locked file that makes this process the owner. Raises `Conflict` when another one is."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(
            f"another process owns the journal {path}",
            operation="open the journal",
            subject=str(path),
            hint="one gateway per state folder: stop the other one first",
        ) from None
    return descriptor


def mark(descriptor: int, path: Path) -> None:
    """Leave a word in the lock's file: from now on an empty file is no new journal. Raises `StorageFull`."""
    try:
        if not os.fstat(descriptor).st_size:
            os.pwrite(descriptor, b"opened\n", 0)
    except OSError as error:
        raise translate_os(error, path) from error


def open_writer(path: Path) -> apsw.Connection:
    """Read and write, WAL, synced at every commit, schema up to date. Creates the file with mode 0600."""
    connection = None
    try:
        check_files(path)
        check_log(path)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(10_000)
        # Plans that do not look at bound values: else a statement is prepared anew whenever a key changes, 40 us each.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
        return connection
    except BaseException as error:
        if connection is not None:
            connection.close(True)
        if isinstance(error, apsw.Error):
            raise translate(error, path) from error
        if isinstance(error, OSError):
            raise translate_os(error, path) from error
        raise


def open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(10_000)
    return connection


def open_carrier(path: Path) -> apsw.Connection:
    """For checkpoints: it writes only what is in the log already, and syncs as the writer does."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _migrate(connection: apsw.Connection, path: Path) -> None:
    version = connection.pragma("user_version")
    if version > len(MIGRATIONS):
        raise HomeportError(
            f"the journal {path} was written by a newer Homeport (schema {version}; this one knows {len(MIGRATIONS)})",
            operation="open the journal",
            subject=str(path),
            hint="use the newer version, or restore the backup made before the upgrade",
        )
    for number in range(version, len(MIGRATIONS)):
        with connection:
            connection.execute(MIGRATIONS[number])
            connection.pragma("user_version", number + 1)


def sizes(path: Path) -> dict[str, int]:
    """Of the database and its log, as they lie on the disk."""
    found = {}
    for part, suffix in (("database", ""), ("log", "-wal")):
        try:
            found[part] = path.with_name(path.name + suffix).stat().st_size
        except OSError:
            continue
    return found


def translate(error: apsw.Error, path: Path, system_errno: int = 0) -> HomeportError:
    """What SQLite says, as one of our errors."""
    subject, operation = str(path), "use the journal"
    if isinstance(error, apsw.FullError) or (isinstance(error, apsw.IOError) and system_errno in _NO_ROOM):
        return StorageFull(
            "no space left for the request journal",
            operation=operation,
            subject=subject,
            hint=f"free space on the file system of {path.parent}; nothing was half-written",
        )
    if _unwritable(error):
        why = os.strerror(system_errno) if system_errno else str(error)
        return StorageFull(
            f"the disk takes no writes for the request journal: {why}",
            operation=operation,
            subject=subject,
            hint=f"the kernel's log and `mount` say more about the disk of {path.parent}; nothing was half-written",
        )
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return HomeportError(
            f"the journal {path} is damaged: {error}",
            operation=operation,
            subject=subject,
            hint="restore a backup; or move the file and its -wal aside to start with an empty journal",
        )
    return HomeportError(f"the journal {path} cannot be used: {error}", operation=operation, subject=subject)


def _unwritable(error: apsw.Error) -> bool:
    """Read-only, or broken for writing: as good as full, for it may pass, and what must be written waits for that."""
    if isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError):
        return True
    reads = (apsw.SQLITE_IOERR_READ, apsw.SQLITE_IOERR_SHORT_READ)
    return isinstance(error, apsw.IOError) and getattr(error, "extendedresult", 0) not in reads


def translate_os(error: OSError, path: Path) -> HomeportError:
    """What the operating system says about a file beside the journal."""
    kind = StorageFull if error.errno in _NO_ROOM else HomeportError
    return kind(f"{path} cannot be written: {error.strerror}", operation="use the journal", subject=str(path))
