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
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from homeport.errors import HomeportError, Unavailable

T = TypeVar("T")
Item = tuple[Callable[[Any], Any], "asyncio.Future[Any]"]
Outcome = tuple["asyncio.Future[Any]", Any, HomeportError | None]


class Link(Protocol):
    """Where a lane gets its connection from. Used in the lane's thread only."""

    name: str
    """What errors call the database."""

    def connection(self) -> Connection:
        """The open one, or a new one."""
        ...

    def lost(self, error: BaseException) -> bool:
        """Whether the connection broke; it is let go of then. Always False where there is no server."""
        ...

    def explain(self, error: BaseException) -> HomeportError: ...

    def close(self) -> None: ...


class Lane:
    """Jobs run in order, at most `batch` in one transaction. What a job gets is made by `enter` of the connection,
    and `leave` is called with it before the commit.

    A job refuses by raising a `HomeportError` before its first write; any other exception rolls the batch back,
    and each of its jobs is then tried alone, so that none fails for another's fault. Where the connection breaks
    before the commit is sent, the batch is tried once more on a new one.
    """

    def __init__(
        self,
        link: Link,
        *,
        batch: int = 1,
        enter: Callable[[Connection], Any] = lambda connection: connection,
        leave: Callable[[Any], None] = lambda _: None,
    ) -> None:
        self._link = link
        self._batch = batch
        self._enter, self._leave = enter, leave
        self._jobs: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._away = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._task = asyncio.create_task(self._run())

    async def do(self, job: Callable[[Any], T]) -> T:
        """The job's result, once its transaction has been committed."""
        if self._closing:
            raise Unavailable("the store is closed", operation="store", subject=self._link.name)
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
                    # Who waits for a server that is away waits once, however many queued up meanwhile.
                    count = len(self._jobs) if self._away else min(self._batch, len(self._jobs))
                    taken = [self._jobs.popleft() for _ in range(count)]
                    batch = [item for item in taken if not item[1].cancelled()]
                    for outcome in await loop.run_in_executor(self._thread, self._transact, batch):
                        _tell(*outcome)
        finally:
            self._closing = True
            await loop.run_in_executor(self._thread, self._link.close)
            self._thread.shutdown(wait=False)

    def _transact(self, batch: list[Item], again: bool = True) -> list[Outcome]:
        """In the thread."""
        if not batch:
            return []
        outcomes: list[Outcome] = []
        connection = None
        committing = False
        try:
            connection = self._link.connection()
            self._away = False
            connection.begin()
            context = self._enter(connection)
            for job, future in batch[: self._batch]:
                try:
                    outcomes.append((future, job(context), None))
                except HomeportError as refusal:
                    outcomes.append((future, None, refusal))
            self._leave(context)
            committing = True
            connection.commit()
        except Exception as error:
            if self._link.lost(error):
                if connection is not None and again and not committing:
                    return self._transact(batch, again=False)
                self._away = True
                return [(future, None, self._link.explain(error)) for _, future in batch]
            if connection is not None:
                connection.rollback()
            if len(batch) > 1:
                return [outcome for item in batch for outcome in self._transact([item])]
            return [(batch[0][1], None, self._link.explain(error))]
        rest = batch[self._batch :]
        return outcomes + self._transact(rest) if rest else outcomes


def _tell(future: asyncio.Future[Any], value: Any, failure: HomeportError | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)
