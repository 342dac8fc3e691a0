# SPDX-License-Identifier: Apache-2.0
"""One connection, one thread that uses it, a queue of jobs.

A caller that is cancelled never leaves the connection in the middle of something. Jobs that queued while the last
transaction was synced to disk share the next one: group commit without a timer. A whole transaction is one call into
the thread: a call for each statement costs more than the statement.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from homeport.drivers.stores.sqlite.faults import explain
from homeport.errors import HomeportError, Unavailable

T = TypeVar("T")
Job = Callable[[Connection], Any]
Item = tuple[Job, "asyncio.Future[Any]"]
Outcome = tuple["asyncio.Future[Any]", Any, HomeportError | None]


class Lane:
    """Jobs run in order, at most `batch` in one transaction.

    A job refuses by raising a `HomeportError` before its first write; any other exception rolls the batch back,
    and each of its jobs is then tried alone, so that none fails for another's fault.
    """

    def __init__(self, connection: Connection, path: Path, *, batch: int = 1) -> None:
        self._connection = connection
        self._path = path
        self._batch = batch
        self._jobs: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=path.name)
        self._task = asyncio.create_task(self._run())

    async def do(self, job: Callable[[Connection], T]) -> T:
        """The job's result, once its transaction has been committed."""
        if self._closing:
            raise Unavailable("the store is closed", operation="store", subject=str(self._path))
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._jobs.append((job, future))
        self._wake.set()
        result: T = await future
        return result

    async def close(self) -> None:
        """Finishes what was queued, then lets go of the connection."""
        self._closing = True
        self._wake.set()
        await asyncio.shield(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._jobs or not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._jobs:
                    taken = [self._jobs.popleft() for _ in range(min(self._batch, len(self._jobs)))]
                    batch = [item for item in taken if not item[1].cancelled()]
                    for outcome in await loop.run_in_executor(self._thread, self._transact, batch):
                        _tell(*outcome)
        finally:
            self._closing = True
            self._thread.submit(self._connection.close)
            self._thread.shutdown()

    def _transact(self, batch: list[Item]) -> list[Outcome]:
        """In the thread."""
        outcomes: list[Outcome] = []
        try:
            with self._connection.begin():
                for job, future in batch:
                    try:
                        outcomes.append((future, job(self._connection), None))
                    except HomeportError as refusal:
                        outcomes.append((future, None, refusal))
        except Exception as error:
            if len(batch) > 1:
                return [outcome for item in batch for outcome in self._transact([item])]
            return [(batch[0][1], None, explain(error, self._path))] if batch else []
        return outcomes


def _tell(future: asyncio.Future[Any], value: Any, failure: HomeportError | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)
