# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Gate` of a state folder: the locks of server and gateway, which the kernel drops with us."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from homeport.drivers.stores.sql.schema import HALF_COPIED
from homeport.drivers.stores.sql.sqlite.upgrade import revision
from homeport.errors import Conflict, HomeportError
from homeport.interfaces.transfer import Where

LOCKS = {"durable.lock": "server", "journal.db.lock": "gateway"}
"""Who holds which while it runs."""
FILES = ("state.db", "journal.db", "durable.db")


class FolderGate:
    def __init__(self, where: Where) -> None:
        assert where.folder is not None
        self._folder: Path = where.folder
        self._held: list[int] = []

    def take(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, who in LOCKS.items():
                self._held.append(os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                try:
                    fcntl.flock(self._held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise Conflict(
                        f"a {who} runs on {self._folder}",
                        operation="copy",
                        subject=str(self._folder),
                        hint="stop it first: homeport serve --stop, or systemctl stop homeport",
                    ) from None
        except OSError as error:
            raise HomeportError(
                f"cannot use {self._folder}: {error.strerror}", operation="copy", subject=str(self._folder)
            ) from error

    def check(self) -> None:
        """A lock that was taken stays."""

    def found(self) -> str:
        there = [name for name in FILES if (self._folder / name).exists()]
        if not there:
            return "nothing"
        state = self._folder / "state.db"
        return "half" if state.exists() and revision(state) == HALF_COPIED else "home"

    def mark(self, keep: Path | None = None) -> None:
        state = self._folder / "state.db"
        if keep is not None and state.exists() and revision(state) != HALF_COPIED:
            with closing(sqlite3.connect(state, isolation_level=None)) as connection:
                # One file: a log that is left beside the mark would be taken for a part of it.
                connection.execute("PRAGMA journal_mode=DELETE")
            os.link(state, keep / state.name)
        marker = self._folder / "state.db.half-copied"
        marker.unlink(missing_ok=True)
        os.close(os.open(marker, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(marker, isolation_level=None)) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (HALF_COPIED,))
        marker.replace(state)

    def close(self) -> None:
        while self._held:
            os.close(self._held.pop())
