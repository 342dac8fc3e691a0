# SPDX-License-Identifier: Apache-2.0
"""Group commit. What queued up while the last commit was synced is the next commit: no timer, no tuning.

Statements run on the event loop's thread, microseconds each: handing them over one by one cost more in waiting for the
interpreter's lock than they cost themselves. Commits sync the disk. On one that is quick they run on the loop's thread
too, for the same reason; on a slow one on the writer thread, so that what needs no commit goes on meanwhile.

A write that nobody waits for may rest a few milliseconds, so that it shares a commit with one that somebody does.
What is long and waited for by nobody is done `aside`: on the writer thread, one at a time, as a part of some commit.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from homeport.drivers.journals.sqlite import queries
from homeport.drivers.journals.sqlite.checkpoints import Checkpoints
from homeport.drivers.journals.sqlite.opening import translate
from homeport.errors import Unavailable

T = TypeVar("T")
REST_S = 0.005
"""Seconds a write without anybody waiting may rest."""
ENOUGH = 64
"""Writes that are committed without looking whether more are coming."""
QUICK_S = 0.0008
"""Seconds of a commit up to which the loop waits for it: handing it over and back takes a good part of that."""


class Pace:
    """How long commits take just now, and so where they are done. A stall is not repeated on the loop's thread."""

    __slots__ = ("_best", "_count", "_mean", "quick")

    def __init__(self) -> None:
        self.quick = False
        self._mean, self._best, self._count = 0.0, 1.0, 0

    def took(self, seconds: float) -> None:
        if self.quick:
            self._mean += (seconds - self._mean) / 8
            self.quick = self._mean < QUICK_S
            return
        # On the writer thread some of it is waiting for the interpreter: the best of many is the disk's own time.
        self._best, self._count = min(self._best, seconds), self._count + 1
        if self._count == 32:
            self.quick, self._mean = self._best < QUICK_S / 2, self._best
            self._best, self._count = 1.0, 0


Places = dict[str, int]
_MOST_PLACES = 100_000


class Batch:
    """One transaction: the connection, and how many requests changed their state in it.

    `execute` is for what has no result. `places`: in which row those are that were accepted in flight; a hint.
    """

    __slots__ = ("_moved", "db", "execute", "places")

    def __init__(self, db: apsw.Connection, execute: Callable[[str, tuple[Any, ...]], Any], places: Places) -> None:
        self.db = db
        self.execute = execute
        self.places = places
        self._moved: dict[str, int] = {}

    def moved(self, before: str, after: str) -> None:
        moved = self._moved
        if before:
            moved[before] = moved.get(before, 0) - 1
        if after:
            moved[after] = moved.get(after, 0) + 1

    def end(self) -> None:
        for state, amount in self._moved.items():
            if amount:
                self.db.execute(queries.ADD_COUNT, (state, amount))


Operation = Callable[[Batch], Any]
Queued = tuple[Operation, asyncio.Future[Any]]
Outcome = tuple[asyncio.Future[Any], Any, Exception | None]


class Writer:
    """Carries out operations in the order of `submit`, each all or nothing, durable before its future is done.

    Of one event loop at a time, and not thread-safe: only the commits leave the loop's thread.
    """

    def __init__(self, db: apsw.Connection, path: Path, checkpoints: Checkpoints) -> None:
        self._db = db
        self._path = path
        self._checkpoints = checkpoints
        self._pace = Pace()
        self._cursor = db.cursor()
        self._places: Places = {}
        self._queue: list[Queued] = []
        self._aside: list[Queued] = []
        self._urgent = False
        self._committing = False
        self._begins: asyncio.Handle | None = None
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: asyncio.Future[None] | None = None
        self.durations: deque[float] = deque(maxlen=256)
        self.told: Callable[[float], None] | None = None
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Batch], T], *, urgent: bool = True) -> asyncio.Future[T]:
        if self._closing:
            raise Unavailable("the journal is closed", operation="use the journal", subject=str(self._path))
        loop = self._loop
        if loop is None or not self._queue:  # asked once a commit: on Python 3.11 it is a system call
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((operation, future))
        if urgent and not self._urgent:
            self._urgent = True
            self._schedule(loop)
        elif self._begins is None:
            self._schedule(loop)
        return future

    def submit_aside(self, operation: Callable[[Batch], T]) -> asyncio.Future[T]:
        if self._closing:
            raise Unavailable("the journal is closed", operation="use the journal", subject=str(self._path))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._aside.append((operation, future))
        if self._begins is None:
            self._schedule(loop)
        return future

    async def stop(self) -> None:
        """Carry out what was submitted, then end the thread."""
        self._closing = True
        loop = asyncio.get_running_loop()
        if self._queue or self._aside or self._committing:
            self._idle = loop.create_future()
            self._urgent = True
            self._schedule(loop)
            await self._idle
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the next transaction: at once for the urgent, soon for others, and not before the last is synced."""
        if self._begins is not None:
            self._begins.cancel()
            self._begins = None
        if not self._committing:
            if self._urgent:
                self._begins = loop.call_soon(self._gather, loop, 0)
            else:
                self._begins = loop.call_later(REST_S, self._begin, loop)

    def _gather(self, loop: asyncio.AbstractEventLoop, had: int) -> None:
        """Begin when the loop brings nothing more to write: what is there already shares the commit."""
        waiting = len(self._queue)
        if had < waiting < ENOUGH:
            self._begins = loop.call_soon(self._gather, loop, waiting)
        else:
            self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begins = None
        operations, self._queue, self._urgent = self._queue, [], False
        aside, self._aside = self._aside[:1], self._aside[1:]
        self._committing = True
        outcomes, error = self._execute(operations)
        if self._pace.quick and error is None and not aside and not self._checkpoints.due:
            error = self._commit()
            if error is None:
                self._committed(loop, outcomes)
                return

        def commit() -> None:
            failed = error
            if aside and failed is None:
                more, failed = self._execute(aside, begin=False)
                outcomes.extend(more)
            failed = failed or self._commit()
            found = self._again([*operations, *aside], failed) if failed is not None else outcomes
            if self._checkpoints.due:
                self._checkpoints.rest(self._db)
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._committed, loop, found)

        self._work.put(commit)

    def _committed(self, loop: asyncio.AbstractEventLoop, outcomes: list[Outcome]) -> None:
        self._committing = False
        _settle(outcomes)
        if self._queue or self._aside:
            if self._urgent:
                self._begin(loop)
            else:
                self._schedule(loop)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _execute(self, operations: list[Queued], *, begin: bool = True) -> tuple[list[Outcome], Exception | None]:
        """All but the commit. After an error nothing of it is left."""
        try:
            if begin:
                self._cursor.execute("BEGIN IMMEDIATE")
            if len(self._places) > _MOST_PLACES:
                self._places.clear()
            batch = Batch(self._db, self._cursor.execute, self._places)
            outcomes: list[Outcome] = [(future, operation(batch), None) for operation, future in operations]
            batch.end()
        except Exception as error:
            return [], self._undo(error)
        return outcomes, None

    def _commit(self) -> Exception | None:
        started = time.perf_counter()
        try:
            self._cursor.execute("COMMIT")
        except Exception as error:
            return self._undo(error)
        took = time.perf_counter() - started
        self.durations.append(took)
        self._pace.took(took)
        if self.told is not None:
            self.told(took)
        return None

    def _undo(self, error: Exception) -> Exception:
        """Roll back; the error in our words."""
        # What the system said must be read before the rollback makes system calls of its own.
        system_errno = self._db.system_errno
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        return translate(error, self._path, system_errno) if isinstance(error, apsw.Error) else error

    def _again(self, operations: list[Queued], failed: Exception) -> list[Outcome]:
        """One by one, on the writer thread: the fault of one is not the fault of all."""
        if len(operations) == 1:
            return [(operations[0][1], None, failed)]
        found: list[Outcome] = []
        for one in operations:
            outcomes, error = self._execute([one])
            error = error or self._commit()
            found += outcomes if error is None else [(one[1], None, error)]
        return found


def _settle(outcomes: list[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
