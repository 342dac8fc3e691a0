# SPDX-License-Identifier: Apache-2.0
"""One workflow on two loops: the saga and its steps on the server's, DBOS's records of them on DBOS's own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from homeport.drivers.durable.dbos.loops import submit
from homeport.drivers.durable.dbos.saga import run_saga
from homeport.interfaces.durable import Json, Saga

if TYPE_CHECKING:
    from dbos import DBOS

T = TypeVar("T")
INBOX = "inbox"
"""The one DBOS topic in use; ours are in the envelopes, so that a wish to cancel wakes whoever waits for any."""
OUTCOME = "outcome"
"""The last step of every workflow."""
_Call = tuple[Callable[[], Awaitable[Any]], "Future[Any]"]


class Bridge:
    """The recorder of one workflow. `run` is its body for DBOS; the rest is called by the saga on the home loop."""

    def __init__(
        self,
        dbos: type[DBOS],
        workflow_id: str,
        home: asyncio.AbstractEventLoop,
        at_home: set[asyncio.Task[Any]],
        cancel_wanted: Callable[[str], Awaitable[bool]],
        parked: Callable[[str, Exception], None],
    ) -> None:
        self.id = workflow_id
        self._dbos = dbos
        self._home, self._at_home = home, at_home
        self._cancel_wanted = cancel_wanted
        self._parked = parked
        self._engine = asyncio.get_running_loop()
        self._calls: asyncio.Queue[_Call | None] = asyncio.Queue()

    async def run(self, saga: Saga, input: Json) -> Json:
        """Serve the calls of the saga until it ends. On DBOS's loop, in DBOS's context of this workflow."""
        running = submit(self._home, self._tracked(lambda: run_saga(self, saga, input)))
        running.add_done_callback(lambda _: self._engine.call_soon_threadsafe(self._calls.put_nowait, None))
        try:
            while (call := await self._calls.get()) is not None:
                work, answer = call
                answer.set_result(await work())
            outcome = running.result()

            async def told() -> Json:
                return outcome

            # As a step too: where the result of a workflow cannot be written, DBOS records that as its error.
            return await self._recorded(OUTCOME, told)
        except FutureCancelled:
            raise asyncio.CancelledError from None
        except Exception as problem:
            # The record could not be read or written, or does not fit this saga. Neither a result nor a failure of
            # the saga: it stays as it is in the database.
            self._parked(self.id, problem)
            raise asyncio.CancelledError from None
        finally:
            running.cancel()

    async def once(self, name: str, act: Callable[[], Awaitable[Json]]) -> Json:
        context = contextvars.copy_context()

        async def body() -> Json:
            return await asyncio.wrap_future(submit(self._home, self._tracked(act), context))

        return await self._ask(lambda: self._recorded(name, body))

    async def next_message(self, timeout: float) -> Json | None:
        return await self._ask(lambda: self._dbos.recv_async(INBOX, timeout))

    async def cancel_wanted(self) -> bool:
        return await self._cancel_wanted(self.id)

    async def _recorded(self, name: str, body: Callable[[], Awaitable[Json]]) -> Json:
        from dbos import PortableWorkflowError

        while True:
            try:
                result: Json = await self._dbos.run_step_async({"name": name}, body)
            except PortableWorkflowError:
                # Our steps return their failures, so a recorded error is DBOS's own: where a result cannot be
                # written it records that as the error of the step. Rerun it in the next place, as after a crash;
                # every replay passes the same records and gets to the same place.
                continue
            return result

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        answer: Future[T] = Future()
        self._engine.call_soon_threadsafe(self._calls.put_nowait, (work, answer))
        return await asyncio.wrap_future(answer)

    async def _tracked(self, work: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._at_home.add(task)
        try:
            return await work()
        finally:
            self._at_home.discard(task)
