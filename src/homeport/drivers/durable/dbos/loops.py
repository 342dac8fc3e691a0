# SPDX-License-Identifier: Apache-2.0
"""Two event loops, one in a thread of its own, and calls between them.

DBOS replaces the default thread pool of the loop it runs on, and blocks that loop while it launches. So it gets one
of its own, and the server's loop (uvloop or not) never notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def submit(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], context: contextvars.Context | None = None
) -> Future[T]:
    """Run `work` on the loop of another thread, in `context` or an empty one.

    Never in the caller's: DBOS keeps the current workflow and step in context variables, and a call made from inside
    a step would be taken for a part of it.
    """
    return (context or contextvars.Context()).run(asyncio.run_coroutine_threadsafe, work, loop)


class EngineThread:
    """A thread that runs an event loop. `open` runs on it first, `shut` last."""

    def __init__(self, open: Callable[[], None], shut: Callable[[], None]) -> None:
        self._open, self._shut = open, shut
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None, "started"
        return self._loop

    async def start(self) -> None:
        """Returns once `open` has; raises what it raised, with the thread gone."""
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="durable", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(opened)

    async def stop(self) -> None:
        """Cancel what runs there, run `shut`, end the thread."""
        if self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # where `open` failed it ends by itself, and its loop may be closed
                self.loop.call_soon_threadsafe(self._stop.set)
            await asyncio.to_thread(self._thread.join)
        self._thread = None

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run there, wait here."""

        async def run() -> T:
            return await work()

        return await asyncio.wrap_future(submit(self.loop, run()))

    def _run(self, opened: Future[None]) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._live(opened))

    async def _live(self, opened: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            try:
                self._open()
            except Exception as problem:
                opened.set_exception(problem)
                return
            opened.set_result(None)
            await self._stop.wait()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._shut()
