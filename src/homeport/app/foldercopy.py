# SPDX-License-Identifier: Apache-2.0
"""A copy into a state folder: made whole beside what is there, then moved in its place."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from homeport.errors import failed_write
from homeport.interfaces.transfer import Where

MADE = ("journal.db", "durable.db", "spool")
"""What is moved in before the state, which is last."""
STATE = "state.db"
_BESIDE = ("", "-wal", "-shm", "-journal")


class Staged:
    """A folder in the target's file system. `close` removes what was not moved in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._staging = folder / ".copying"
        with _told(folder):
            shutil.rmtree(self._staging, ignore_errors=True)  # of a copy that was killed: the gate is ours
            self._staging.mkdir(mode=0o700)
        self.where = Where(folder=self._staging)

    def move_in(self, mark: Callable[[Path | None], None]) -> str:
        """Where the former content lies, "" for none. Killed at any moment, it leaves either what was there, or a
        mark, or all of the new: the state is replaced twice, each time in one step."""
        with _told(self._folder):
            return self._move_in(mark)

    def close(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)

    def _move_in(self, mark: Callable[[Path | None], None]) -> str:
        former = [path for name in MADE for end in _BESIDE if (path := self._folder / (name + end)).exists()]
        aside = None
        if former or (self._folder / STATE).exists():
            named = time.strftime("replaced-%Y%m%dT%H%M%SZ-", time.gmtime())
            aside = Path(tempfile.mkdtemp(prefix=named, dir=self._folder))
        mark(aside)
        for path in former:
            assert aside is not None
            path.rename(aside / path.name)
        for name in (*MADE, STATE):
            if (made := self._staging / name).exists():
                _sync(made)
                made.replace(self._folder / name)
                _sync(self._folder)
        return str(aside or "")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise failed_write(error)(
            f"cannot copy to {folder}: {error.strerror}", operation="copy", subject=str(folder)
        ) from error
