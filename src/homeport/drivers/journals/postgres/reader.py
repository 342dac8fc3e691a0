# SPDX-License-Identifier: Apache-2.0
"""Questions and large bodies, on connections beside the writing one."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from homeport.drivers.journals.postgres.session import Address, Connection, Session, lost, translate
from homeport.errors import Unavailable

T = TypeVar("T")
ANSWER_S = 30.0
"""Seconds without an answer after which the server counts as away."""


class Reader:
    """A few connections, each opened when it is first needed. Of one event loop at a time."""

    def __init__(self, address: Address, connections: int, *, patience: float = ANSWER_S) -> None:
        self._address, self._patience = address, patience
        self._sessions = [Session(address) for _ in range(connections)]
        self._free: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in self._sessions:
            self._free.put(session)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="journal-reader")
        self._closed = False
        self._in_vain = 0

    def give_up(self) -> None:
        """The server is known not to answer: nobody need wait any longer."""
        self._in_vain += 1
        for session in self._sessions:
            session.sever()

    async def ask(self, work: Callable[[Connection], T]) -> T:
        """Raises `Unavailable` when the server does not answer in time; what is half done then is undone.

        `work` may be carried out twice, where the connection turned out to have been lost since its last use.
        """
        if self._closed:
            raise Unavailable("the journal is closed", operation="use the journal", subject=self._address.label)
        loop = asyncio.get_running_loop()
        using: list[Session] = []

        def too_late() -> None:
            for session in using:
                session.sever()

        severing = loop.call_later(self._patience, too_late)
        try:
            return await loop.run_in_executor(self._threads, self._ask, work, using)
        finally:
            severing.cancel()

    async def close(self) -> None:
        self._closed = True
        for session in self._sessions:
            session.sever()
        await asyncio.to_thread(self._threads.shutdown)
        for session in self._sessions:
            session.drop()

    def _ask(self, work: Callable[[Connection], T], using: list[Session]) -> T:
        session = self._free.get()
        using.append(session)
        used_before, in_vain = session.open, self._in_vain
        try:
            try:
                return self._work(session, work)
            except Exception as error:
                if not (lost(error) and used_before) or self._closed or in_vain != self._in_vain:
                    raise
                # It may have been lost long ago, with nobody looking: one more try, on a new one.
                return self._work(session, work)
        except Exception as error:
            raise translate(error, self._address) from error
        finally:
            using.clear()
            self._free.put(session)

    def _work(self, session: Session, work: Callable[[Connection], T]) -> T:
        try:
            return work(session.connection())
        except Exception:
            # Nothing of it may be left open, and a new connection costs little where errors are rare.
            session.drop()
            raise
