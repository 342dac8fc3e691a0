# SPDX-License-Identifier: Apache-2.0
"""`interfaces.durable.Durable` on DBOS, with SQLite or PostgreSQL below it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from homeport.drivers.durable.dbos import engine
from homeport.drivers.durable.dbos.again import UNDER_WAY, Again
from homeport.drivers.durable.dbos.bridge import INBOX, OUTCOME, Bridge
from homeport.drivers.durable.dbos.lock import StateLock
from homeport.drivers.durable.dbos.loops import EngineThread
from homeport.drivers.durable.dbos.options import Options
from homeport.drivers.durable.dbos.saga import cancel_envelope, envelope, outcome_error, to_json
from homeport.drivers.durable.dbos.snapshot import DurableSnapshot
from homeport.errors import Conflict, HomeportError, NotFound, Unavailable, UsageError
from homeport.interfaces.durable import Json, Saga, WorkflowState, WorkflowStatus

if TYPE_CHECKING:
    from dbos import DBOS
    from dbos import WorkflowStatus as Row

T = TypeVar("T")
_PAUSES = (0.02, 0.5)
"""Seconds between two looks of `wait`: the first once the saga has ended and DBOS is about to record it; the longest,
in case that was not seen."""
_launched: DbosDurable | None = None


class DbosDurable:
    """One per process, because DBOS is. Not thread-safe: call it from the loop that launched it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._sagas: dict[str, Saga] = {}
        self._lock = StateLock(options.lock)
        self._thread: EngineThread | None = None
        self._dbos: type[DBOS] | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._at_home: set[asyncio.Task[Any]] = set()
        self._endings: dict[str, asyncio.Event] = {}
        """By workflow: set whenever its saga ends in this process, for whoever waits for it."""
        self._starting = asyncio.Lock()
        self._again: Again | None = None

    def register(self, name: str, saga: Saga) -> None:
        """As `Durable.register`. Raises `Conflict` for a name that is taken, or after `launch`."""
        if self._thread is not None or name in self._sagas:
            why = "the engine is launched" if self._thread is not None else "the name is taken"
            raise Conflict(f"cannot register the saga {name!r}: {why}", operation="register", subject=name)
        self._sagas[name] = saga

    def claim(self) -> None:
        self._lock.take()

    async def launch(self) -> None:
        global _launched
        if _launched is not None:
            raise Conflict("durable steps are launched already in this process", operation="launch")
        self._lock.take()
        _launched = self
        self._home = asyncio.get_running_loop()
        self._thread = EngineThread(self._open, engine.destroy)
        try:
            await self._thread.start()
        except Exception as problem:
            await self._let_go()
            raise engine.as_ours(problem, "launch") from problem
        except BaseException:
            await self._let_go()
            raise

    async def start(self, name: str, workflow_id: str, input: Json) -> None:
        """As `Durable.start`. Raises `UsageError` for a saga that is not registered."""
        if name not in self._sagas or not workflow_id.strip():
            raise UsageError(f"no saga {name!r} to start, or no id", operation="start", subject=workflow_id)
        plain = to_json(input)

        async def begin() -> None:
            import dbos

            with dbos.SetWorkflowID(workflow_id):
                await self._api.start_workflow_async(self._bodies[name], plain)

        async with self._starting:
            if await self.status(workflow_id) is None:
                await self._ask(begin)

    async def status(self, workflow_id: str) -> WorkflowStatus | None:
        rows = await self._ask(lambda: self._api.list_workflows_async(workflow_ids=[workflow_id]))
        return await self._told(rows[0]) if rows else None

    async def list(self, *, name: str = "", limit: int = 100) -> list[WorkflowStatus]:
        look = partial(self._look, name=name or None, limit=limit)
        return [await self._told(row) for row in await self._ask(look)]

    async def wait(self, workflow_id: str, timeout: float | None = None) -> WorkflowStatus:
        clock = asyncio.get_running_loop().time
        deadline = None if timeout is None else clock() + timeout
        first, longest = _PAUSES
        pause, ending = longest, self._endings.setdefault(workflow_id, asyncio.Event())
        try:
            while True:
                left = longest if deadline is None else deadline - clock()
                found = await self._waited_for(workflow_id, patient=left > 0)
                if found is not None and (found.state is not WorkflowState.PENDING or left <= 0):
                    return found
                try:
                    async with asyncio.timeout(min(pause, left)):
                        await ending.wait()
                    ending.clear()
                    pause = first
                except TimeoutError:
                    pause = min(pause * 1.5, longest)
        finally:
            self._endings.pop(workflow_id, None)

    async def cancel(self, workflow_id: str) -> None:
        """As `Durable.cancel`; no effect on one that has ended. Raises `NotFound`."""
        if (await self._existing(workflow_id)).state is not WorkflowState.PENDING:
            return
        wish, key = cancel_envelope(), "cancel"
        await self._ask(lambda: self._api.send_async(workflow_id, wish, INBOX, idempotency_key=key))
        await self._ask(lambda: self._api.update_workflow_attributes_async(workflow_id, {"cancel": True}, merge=True))

    async def send(self, workflow_id: str, topic: str, message: Json, *, key: str = "") -> None:
        """As `Durable.send`. Raises `NotFound`."""
        await self._existing(workflow_id)
        letter = envelope(topic, to_json(message))
        once = f"message {topic} {key}" if key else None
        await self._ask(lambda: self._api.send_async(workflow_id, letter, INBOX, idempotency_key=once))

    async def prune(self, older_than_s: float) -> int:
        before = datetime.fromtimestamp(time.time() - older_than_s, UTC).isoformat()
        removed = 0
        while rows := await self._ask(
            partial(self._look, completed_before=before, limit=500, load_input=False, load_output=False)
        ):
            ids = [row.workflow_id for row in rows]
            await self._ask(partial(self._api.delete_workflows_async, ids))
            removed += len(ids)
        return removed

    async def cut(self, to: Path) -> DurableSnapshot:
        """As `interfaces.snapshots.Cuttable.cut`. Raises `UsageError` where the database is not a file of ours."""
        if self._options.url:
            raise UsageError("this database is not a file", operation="backup", hint="back it up with its own tools")
        return await DurableSnapshot.take(self._options.database, to)

    async def close(self) -> None:
        """As `Durable.close`, within seconds. Idempotent."""
        if _launched is self:
            # First what runs here: a step that ends now is still recorded, one that is cut off runs again.
            await self._cut_off()
            await self._let_go()
        self._lock.release()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        if self._thread is None or self._dbos is None:
            raise Unavailable("durable steps are not launched", operation="durable")
        try:
            return await self._thread.call(work)
        except Exception as problem:
            raise engine.as_ours(problem, "durable") from problem

    @property
    def _api(self) -> type[DBOS]:
        assert self._dbos is not None
        return self._dbos

    def _open(self) -> None:
        self._bodies: dict[str, engine.Body] = {name: self._body(saga) for name, saga in self._sagas.items()}
        self._dbos = engine.launch(self._options, self._bodies)

    def _body(self, saga: Saga) -> engine.Body:
        async def body(input: Json) -> Json:
            from dbos import DBOS

            self._again = self._again or Again(DBOS)
            assert self._home is not None and DBOS.workflow_id is not None
            bridge = Bridge(DBOS, DBOS.workflow_id, self._home, self._at_home, self._cancel_wanted, self._again.parked)
            try:
                result = await bridge.run(saga, input)
                self._again.ended(DBOS.workflow_id)
                return result
            finally:
                self._home.call_soon_threadsafe(self._ended, DBOS.workflow_id)

        return body

    def _ended(self, workflow_id: str) -> None:
        if ending := self._endings.get(workflow_id):
            ending.set()

    async def _told(self, row: Row) -> WorkflowStatus:
        output = row.output if isinstance(row.output, dict) else {}
        if row.status not in UNDER_WAY and "state" not in output:
            steps = await self._ask(lambda: self._api.list_workflow_steps_async(row.workflow_id))
            output = next((step["output"] for step in reversed(steps) if step["function_name"] == OUTCOME), {}) or {}
        return _status(row, output)

    async def _cancel_wanted(self, workflow_id: str) -> bool:
        look = partial(self._api.list_workflows_async, workflow_ids=[workflow_id], load_input=False, load_output=False)
        rows = await self._ask(look)
        return bool(rows and (rows[0].attributes or {}).get("cancel"))

    async def _look(self, **query: Any) -> Sequence[Row]:
        rows: Sequence[Row] = await self._api.list_workflows_async(sort_desc=True, **query)
        return rows

    async def _waited_for(self, workflow_id: str, *, patient: bool) -> WorkflowStatus | None:
        """None where the database is away: it comes back, and the workflow with it."""
        try:
            return await self._existing(workflow_id)
        except Unavailable:
            if not patient or self._thread is None:
                raise
            return None

    async def _existing(self, workflow_id: str) -> WorkflowStatus:
        found = await self.status(workflow_id)
        if found is None:
            raise NotFound(f"there is no workflow {workflow_id!r}", operation="workflow", subject=workflow_id)
        return found

    async def _cut_off(self) -> None:
        tasks = tuple(self._at_home)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _let_go(self) -> None:
        global _launched
        if self._thread is not None:
            await self._thread.stop()
        await self._cut_off()  # what the engine began while it stopped
        self._thread = self._dbos = self._again = None
        _launched = None
        self._lock.release()


def _status(row: Row, output: Json) -> WorkflowStatus:
    args: Sequence[Json] = (row.input or {}).get("args") or ({},)
    if row.status in UNDER_WAY:
        state, output = WorkflowState.PENDING, {}
    elif "state" in output:
        state = WorkflowState(output["state"])
    else:
        # Our sagas end as values: this one was ended by DBOS's own tools.
        state = WorkflowState.CANCELLED if row.status == "CANCELLED" else WorkflowState.FAILED
        told = f"DBOS ended it as {row.status}, without an outcome of its own; what it did was not undone"
        output = {"error": HomeportError(told, operation="workflow", subject=row.workflow_id).to_dict()}
    return WorkflowStatus(row.workflow_id, row.name, state, args[0], output.get("result"), outcome_error(output))
