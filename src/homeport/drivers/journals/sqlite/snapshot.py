# SPDX-License-Identifier: Apache-2.0
"""A copy of the journal as it is at one moment, through a connection of its own: nobody waits for it."""

from __future__ import annotations

import os
from pathlib import Path

import apsw

from homeport.drivers.journals.sqlite.opening import open_reader, translate

_STATES = "SELECT state, count(*) FROM requests GROUP BY state"
_SPOOLED = "SELECT spool FROM requests WHERE spool <> '' UNION SELECT spool FROM responses WHERE spool <> ''"


def copy(path: Path, to: Path) -> tuple[dict[str, int], frozenset[str]]:
    """Blocks. Requests by state, and the spooled bodies they name. Raises as `SqliteJournal`; nothing is left."""
    os.close(os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    source = target = None
    try:
        source, target = open_reader(path), apsw.Connection(str(to))
        source.execute("BEGIN")
        states = dict(source.execute(_STATES))  # from here on it reads this state
        spooled = frozenset(name for (name,) in source.execute(_SPOOLED))
        _back_up(source, target)
        target.execute("PRAGMA journal_mode = DELETE")
    except BaseException as error:
        system_errno = target.system_errno if target is not None else 0
        _close(source, target)
        to.unlink()
        if isinstance(error, apsw.Error):
            raise translate(error, to, system_errno) from error
        raise
    _close(source, target)
    return states, spooled


def _back_up(source: apsw.Connection, target: apsw.Connection) -> None:
    backup = target.backup("main", source, "main")
    try:
        while not backup.done:
            backup.step(1024)
    finally:
        backup.close(True)  # without a second error


def _close(*connections: apsw.Connection | None) -> None:
    for connection in connections:
        if connection is not None:
            connection.close(True)
