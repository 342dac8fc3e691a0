# SPDX-License-Identifier: Apache-2.0
"""The log is carried into the file beside the traffic, by a connection and a thread of its own.

What was written meanwhile remains. Only when that too is carried over does the log begin anew, so now and then the
writer carries over the small rest itself. Inside a commit, as SQLite does it by itself, each thousand pages of log were
a stall of several milliseconds.
"""

from __future__ import annotations

import logging
import queue
import threading

import apsw

PAGES = 4000
"""Of 4 KiB in the log before they are carried over: the longer, the more often the same page counts once."""

log = logging.getLogger(__name__)


class Checkpoints:
    """`writer` tells it of its commits by a hook, and calls `rest` where `due` says so."""

    def __init__(self, writer: apsw.Connection, own: apsw.Connection) -> None:
        self._own = own
        self._asked = False
        self.due = False
        """The log is carried over but for what came meanwhile: the writer's turn."""
        self._work: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-checkpoints", daemon=True)
        self._thread.start()
        writer.set_wal_hook(self._committed)

    def rest(self, writer: apsw.Connection) -> None:
        """The last step, by the writer between two transactions."""
        _carry_over(writer)
        self.due = self._asked = False

    def stop(self) -> None:
        """Waits for one that is under way."""
        self._work.put(False)
        self._thread.join()

    def _committed(self, _: apsw.Connection, __: str, pages: int) -> int:
        if pages >= PAGES and not self._asked:
            self._asked = True
            self._work.put(True)
        return apsw.SQLITE_OK

    def _run(self) -> None:
        while self._work.get():
            _carry_over(self._own)
            self.due = True


def _carry_over(db: apsw.Connection) -> None:
    try:
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    except apsw.Error as error:
        # Nothing is lost: it stays in the log, and the next time comes. A log that cannot grow refuses its writers.
        log.warning("the journal's log is not carried over: %s", error)
