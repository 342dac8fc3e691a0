# SPDX-License-Identifier: Apache-2.0
"""One thread that writes. What queued up while the last commit was synced is the next commit: no timer, no tuning.

A write that nobody waits for may rest a few milliseconds, so that it shares a commit with one that somebody does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from homeport.drivers.journals.sqlite import queries
from homeport.drivers.journals.sqlite.opening import translate
from homeport.errors import Unavailable

T = TypeVar("T")
REST_S = 0.005
"""Seconds a write without anybody waiting may rest."""


class Batch:
    """One transaction: the connection, and how many requests changed their state in it."""

    __slots__ = ("_moved", "db")

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self._moved: dict[str, int] = {}

    def moved(self, before: str, after: str) -> None:
        for state, amount in ((before, -1), (after, 1)):
            if state:
                self._moved[state] = self._moved.get(state, 0) + amount

    def end(self) -> None:
        for state, amount in self._moved.items():
            if amount:
                self.db.execute(queries.ADD_COUNT, (state, amount))


Operation = Callable[[Batch], Any]


class Writer:
    """Carries out operations in the order of `submit`, each all or nothing, durable before its future is done."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._queue: list[tuple[Operation, asyncio.Future[Any]]] = []
        self._urgent = False
        self._closing = False
        self._ready = threading.Condition()
        self.durations: deque[float] = deque(maxlen=256)
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Batch], T], *, urgent: bool = True) -> asyncio.Future[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._ready:
            if self._closing:
                raise Unavailable("the journal is closed", operation="use the journal", subject=str(self._path))
            self._queue.append((operation, future))
            if urgent and not self._urgent:
                self._urgent = True
                self._ready.notify()
            elif len(self._queue) == 1:
                self._ready.notify()
        return future

    def stop(self) -> None:
        """Carry out what was submitted, then end the thread. Blocks; call it off the event loop."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._finish(self._commit(batch))

    def _take(self) -> list[tuple[Operation, asyncio.Future[Any]]]:
        with self._ready:
            self._ready.wait_for(lambda: self._queue or self._closing)
            if not self._urgent and not self._closing:
                self._ready.wait_for(lambda: self._urgent or self._closing, REST_S)
            batch, self._queue, self._urgent = self._queue, [], False
            return batch

    def _commit(self, operations: list[tuple[Operation, asyncio.Future[Any]]]) -> list[tuple[Any, Any, Any]]:
        """(future, result, error) of each. When a commit fails its operations are tried one by one."""
        started = time.perf_counter()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            batch = Batch(self._db)
            done = [(future, operation(batch), None) for operation, future in operations]
            batch.end()
            self._db.execute("COMMIT")
        except Exception as error:
            # What the system said must be read before the rollback makes system calls of its own.
            system_errno = self._db.system_errno
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if len(operations) > 1:
                return [outcome for one in operations for outcome in self._commit([one])]
            known = translate(error, self._path, system_errno) if isinstance(error, apsw.Error) else error
            return [(operations[0][1], None, known)]
        self.durations.append(time.perf_counter() - started)
        return done

    def _finish(self, done: list[tuple[Any, Any, Any]]) -> None:
        loops = {future.get_loop() for future, _, _ in done}
        for loop in loops:
            mine = [item for item in done if item[0].get_loop() is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, mine)


def _settle(done: list[tuple[Any, Any, Any]]) -> None:
    for future, result, error in done:
        if future.cancelled():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
