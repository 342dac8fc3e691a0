# SPDX-License-Identifier: Apache-2.0
"""Group commit, and patience. What queued up while the last commit was under way is the next one: no timer.

One thread with one connection carries out batch after batch. While the server is away the batch that was under way
waits (it may have been committed: only the server knows), and so does all that must be written. The rest waits for
`PATIENCE_S` and is refused then, with nothing of it written.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from homeport.drivers.journals.postgres.operations import Operation, carry_out, recall
from homeport.drivers.journals.postgres.rows import Clocks
from homeport.drivers.journals.postgres.session import Connection, Session, away, lost, passing, translate
from homeport.errors import Unavailable

log = logging.getLogger(__name__)
REST_S = 0.005
"""Seconds a write without anybody waiting may rest, to share a commit with one that somebody waits for."""
PATIENCE_S = 5.0
"""Seconds without an answer after which the journal counts as away. A restart of the server is shorter."""
STALL_S, LONGEST_STALL_S = 10.0, 160.0
"""Seconds without an answer after which the connection is given up; doubled each time that helps nothing."""
PING_S = 2.0
"""Seconds without a write after which the server is asked whether it is there."""
END_S = 5.0
"""Seconds that a server that is away has to come back when we end."""
_MOST, _MOST_BYTES = 1000, 16 * 1024 * 1024
_BACKOFF_S = (0.05, 1.0)
_TRIES = 5

Queued = tuple[Operation, "asyncio.Future[Any]"]
Outcome = tuple["asyncio.Future[Any]", Any, Exception | None]


@dataclass(slots=True)
class Tried:
    """What an attempt came to. `unknown` may have been committed, under `number`; `unsent` was not."""

    outcomes: list[Outcome] = field(default_factory=list)
    unknown: list[Queued] = field(default_factory=list)
    number: int = 0
    unsent: list[Queued] = field(default_factory=list)
    error: Exception | None = None


class Writer:
    """Of one event loop at a time, and not thread-safe: only what talks to the server leaves the loop's thread."""

    def __init__(self, session: Session, owner: str, clocks: Clocks, gone: Callable[[], None]) -> None:
        """`gone` is called when the server counts as away."""
        self._gone = gone
        self._session, self._owner, self._clocks = session, owner, clocks
        self._queue: list[Queued] = []
        self._under_way: list[Queued] = []
        self._busy = False
        self._number = 0
        self._urgent = False
        self._begins: asyncio.TimerHandle | asyncio.Handle | None = None
        self._watch: list[asyncio.TimerHandle] = []
        self._ping: asyncio.TimerHandle | None = None
        self._lost_since, self._said = 0.0, ""
        self._failures = 0
        self._stalls = 0
        self._closing = self._ended = False
        self._idle: asyncio.Future[None] | None = None
        self.away = False
        self.durations: deque[float] = deque(maxlen=256)
        self.told: Callable[[float], None] | None = None
        # Grows over our lives, as the clock does: a number of a former life is no number of this one.
        self._last = time.time_ns()
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation, *, urgent: bool = True) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        if self._closing:
            raise Unavailable("the journal is closed", operation="use the journal", subject=self._label)
        future: asyncio.Future[Any] = loop.create_future()
        if self.away and not operation.must:
            future.set_exception(away(self._session.address))
            return future
        self._queue.append((operation, future))
        if (urgent and not self._urgent) or self._begins is None:
            self._urgent = self._urgent or urgent
            self._schedule(loop)
        return future

    async def stop(self) -> None:
        """Carry out what was submitted, then end the thread. What the server is away for is given up, loudly."""
        self._closing = True
        loop = asyncio.get_running_loop()
        if self._queue or self._busy or self._under_way:
            self._idle, self._urgent = loop.create_future(), True
            self._schedule(loop)
            while not self._idle.done():
                await asyncio.wait((self._idle,), timeout=END_S)
                if self._lost_since or self.away:
                    break
        for timer in (*self._watch, self._ping, self._begins):
            if timer is not None:
                timer.cancel()
        left = [*self._under_way, *self._queue]
        if left:
            log.error("the journal is away: %d writes are lost, answers among them", len(left))
            _settle([(future, None, away(self._session.address)) for _, future in left])
            self._session.sever()
        self._ended = True
        self._work.put(self._session.drop)
        self._work.put(None)
        await asyncio.to_thread(self._thread.join, 2 * END_S)

    @property
    def _label(self) -> str:
        return self._session.address.label

    # ── on the loop ──────────────────────────────────────────────────────────────────────────────────────────────
    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin the next batch: at once for the urgent, soon for others, and not before the last has come back."""
        if self._busy or self._lost_since:
            return
        if self._begins is not None:
            self._begins.cancel()
            self._begins = None
        if self._urgent:
            self._begins = loop.call_soon(self._begin, loop)
        else:
            self._begins = loop.call_later(REST_S, self._begin, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """The next batch, or what was under way when the server went, or nothing but a question."""
        self._begins = None
        if self._busy:
            return
        if not self._under_way:
            self._number = 0
            count = weight = 0
            for operation, _ in self._queue[:_MOST]:
                weight += operation.weight
                if count and weight > _MOST_BYTES:
                    break
                count += 1
            self._under_way, self._queue = self._queue[:count], self._queue[count:]
            self._urgent = bool(self._queue)
        self._busy = True
        batch, number = self._under_way, self._number
        stall = min(LONGEST_STALL_S, STALL_S * 2**self._stalls)
        self._watch = [loop.call_later(PATIENCE_S, self._refuse), loop.call_later(stall, self._stalled)]
        if self._ping is not None:
            self._ping.cancel()
            self._ping = None
        self._work.put(lambda: self._attempt(loop, batch, number))

    def _stalled(self) -> None:
        self._stalls += 1
        log.warning("%s does not answer; its connection is given up", self._label)
        self._session.sever()

    def _refuse(self) -> None:
        """The server is away for too long: who can be told so is told."""
        if not self.away:
            self.away = True
            log.warning("%s is away; requests are refused until it is back", self._label)
            self._gone()
        refused = [one for one in self._queue if not one[0].must]
        self._queue = [one for one in self._queue if one[0].must]
        _settle([(future, None, away(self._session.address)) for _, future in refused])

    def _came_back(self, loop: asyncio.AbstractEventLoop, tried: Tried) -> None:
        self._busy = False
        for timer in self._watch:
            timer.cancel()
        _settle(tried.outcomes)
        if self._ended:
            return
        self._under_way, self._number = tried.unknown, tried.number
        self._queue = [*tried.unsent, *self._queue]
        if tried.error is not None:
            self._wait(loop, tried.error)
            return
        self._stalls = self._failures = 0
        if self._lost_since or self.away:
            log.warning("%s is back", self._label)
            self._lost_since, self._said, self.away = 0.0, "", False
        if self._queue:
            self._schedule(loop)
        elif self._idle is not None:
            if not self._idle.done():
                self._idle.set_result(None)
        else:
            self._ping = loop.call_later(PING_S, self._begin, loop)

    def _wait(self, loop: asyncio.AbstractEventLoop, error: Exception) -> None:
        """Until the next try. What is in the queue can be refused; what is under way cannot."""
        now = time.monotonic()
        self._lost_since = self._lost_since or now
        said = translate(error, self._session.address).message
        if said != self._said:
            self._said = said
            log.warning("%s is lost: %s", self._label, said)
        if self.away or now - self._lost_since >= PATIENCE_S:
            self._refuse()
        delay = min(_BACKOFF_S[1], _BACKOFF_S[0] * 2 ** min(self._failures, 8))
        self._failures += 1
        self._begins = loop.call_later(delay, self._begin, loop)

    # ── on the thread ────────────────────────────────────────────────────────────────────────────────────────────
    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _attempt(self, loop: asyncio.AbstractEventLoop, batch: list[Queued], number: int) -> None:
        """`number` is not 0 where the batch may have been committed already."""
        tried = Tried()
        try:
            connection = self._session.connection()
        except Exception as error:
            # Also where it lets us in and is not as it should be: as good as away.
            tried = Tried(unknown=batch, number=number, error=error) if number else Tried(unsent=batch, error=error)
        else:
            started = time.perf_counter()
            self._carry(connection, batch, number, tried)
            if batch and tried.error is None:
                took = time.perf_counter() - started
                self.durations.append(took)
                if self.told is not None:
                    self.told(took)
        if tried.error is not None:
            self._session.drop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._came_back, loop, tried)

    def _carry(self, connection: Connection, batch: list[Queued], number: int, tried: Tried) -> None:
        writes = [one for one, _ in batch]
        try:
            results = None
            if number:
                results = recall(connection, writes, self._owner, self._clocks, number=number)
            if results is None:
                number = 0
                results = self._commit(connection, writes)
            tried.outcomes += [(future, result, None) for (_, future), result in zip(batch, results, strict=True)]
        except Exception as error:
            if number or lost(error):
                tried.unknown, tried.number, tried.error = batch, number or self._last, error
            elif len(batch) > 1:
                # The fault of one is not the fault of all.
                for n, one in enumerate(batch):
                    self._carry(connection, [one], 0, tried)
                    if tried.error is not None:
                        tried.unsent = batch[n + 1 :]
                        return
            else:
                tried.outcomes += [(future, None, translate(error, self._session.address)) for _, future in batch]

    def _commit(self, connection: Connection, writes: list[Operation]) -> list[Any]:
        """Raises what psycopg does, with the transaction rolled back."""
        for turn in range(_TRIES):
            self._last += 1
            try:
                self._clocks.measure(connection)
                return carry_out(connection, writes, self._owner, self._clocks, number=self._last)
            except Exception as error:
                if lost(error):
                    raise
                connection.execute("ROLLBACK")
                if not passing(error) or turn == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")


def _settle(outcomes: list[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
