# SPDX-License-Identifier: Apache-2.0
"""A Durable in memory that really re-runs sagas, and can be told to die at any point of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from homeport.drivers.durable.dbos.saga import cancel_envelope, envelope, outcome_error, run_saga, to_json
from homeport.errors import Conflict, HomeportError, NotFound, Unavailable, UsageError
from homeport.interfaces.durable import Json, Saga, WorkflowState, WorkflowStatus


class When(StrEnum):
    """BEFORE: nothing of the step has run. INSIDE: it has run, its record is lost. AFTER: it is recorded."""

    BEFORE = "before"
    INSIDE = "inside"
    AFTER = "after"


@dataclass(slots=True)
class _Run:
    """All that would be in the database."""

    name: str
    input: Json
    order: int
    records: list[tuple[str, Json]] = field(default_factory=list)
    inbox: list[Json] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    cancel: bool = False
    outcome: Json | None = None
    ended_at: float = 0.0


class MemoryDurable:
    """`crash_at("machine", When.INSIDE)` arms one crash; `crashed` is set when it has struck; `launch` again resumes.

    Steps that undo are called "undo NAME", so `crash_at("undo machine", …)` works as well.
    """

    def __init__(self) -> None:
        self._sagas: dict[str, Saga] = {}
        self._runs: dict[str, _Run] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Condition()
        self._armed: tuple[str, When] | None = None
        self._launched = False
        self.crashed = asyncio.Event()

    def crash_at(self, step: str, when: When) -> None:
        """The next time that step comes there, everything stops as if the process had been killed."""
        self._armed = (step, when)

    def register(self, name: str, saga: Saga) -> None:
        if self._launched or name in self._sagas:
            raise Conflict(f"cannot register the saga {name!r}", operation="register", subject=name)
        self._sagas[name] = saga

    def claim(self) -> None:
        """Nobody else can see this memory."""

    async def launch(self) -> None:
        if self._launched:
            raise Conflict("launched already", operation="launch")
        self._launched = True
        self.crashed.clear()
        for workflow_id, run in self._runs.items():
            if run.outcome is None:
                self._go(workflow_id, run)

    async def start(self, name: str, workflow_id: str, input: Json) -> None:
        self._check_launched()
        if name not in self._sagas or not workflow_id.strip():
            raise UsageError(f"no saga {name!r} to start, or no id", operation="start", subject=workflow_id)
        if workflow_id not in self._runs:
            self._runs[workflow_id] = _Run(name, to_json(input), len(self._runs))
            self._go(workflow_id, self._runs[workflow_id])

    async def status(self, workflow_id: str) -> WorkflowStatus | None:
        run = self._runs.get(workflow_id)
        if run is None:
            return None
        outcome = run.outcome or {"state": WorkflowState.PENDING}
        state = WorkflowState(outcome["state"])
        return WorkflowStatus(workflow_id, run.name, state, run.input, outcome.get("result"), outcome_error(outcome))

    async def list(self, *, name: str = "", limit: int = 100) -> list[WorkflowStatus]:
        ids = [wid for wid, run in reversed(self._runs.items()) if not name or run.name == name]
        return [status for wid in ids[:limit] if (status := await self.status(wid))]

    async def wait(self, workflow_id: str, timeout: float | None = None) -> WorkflowStatus:
        run = self._existing(workflow_id)
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: run.outcome is not None)
        except TimeoutError:
            pass
        status = await self.status(workflow_id)
        assert status is not None
        return status

    async def cancel(self, workflow_id: str) -> None:
        run = self._existing(workflow_id)
        if run.outcome is None and not run.cancel:
            run.cancel = True
            run.inbox.append(cancel_envelope())
            await self._tell()

    async def send(self, workflow_id: str, topic: str, message: Json, *, key: str = "") -> None:
        run = self._existing(workflow_id)
        once = f"{topic} {key}" if key else ""
        if once not in run.keys or not once:
            run.keys.add(once)
            run.inbox.append(envelope(topic, to_json(message)))
            await self._tell()

    async def prune(self, older_than_s: float) -> int:
        before = asyncio.get_running_loop().time() - older_than_s
        old = [wid for wid, run in self._runs.items() if run.outcome is not None and run.ended_at < before]
        for workflow_id in old:
            del self._runs[workflow_id]
        return len(old)

    async def close(self) -> None:
        self._launched = False
        tasks = [*self._tasks.values()]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _go(self, workflow_id: str, run: _Run) -> None:
        if run.name in self._sagas:
            self._tasks[workflow_id] = asyncio.create_task(self._live(workflow_id, run), name=f"saga {workflow_id}")

    async def _live(self, workflow_id: str, run: _Run) -> None:
        recorder = _Recorder(workflow_id, run, self._strike, self._changed)
        try:
            outcome = await run_saga(recorder, self._sagas[run.name], to_json(run.input))
        except HomeportError as changed:
            outcome = {"state": WorkflowState.FAILED.value, "error": changed.to_dict()}
        run.outcome, run.ended_at = outcome, asyncio.get_running_loop().time()
        await self._tell()

    async def _strike(self, step: str, when: When) -> None:
        if self._armed != (step, when):
            return
        self._armed, self._launched = None, False
        for task in self._tasks.values():
            task.cancel()
        self.crashed.set()
        await asyncio.Event().wait()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _existing(self, workflow_id: str) -> _Run:
        self._check_launched()
        if workflow_id not in self._runs:
            raise NotFound(f"there is no workflow {workflow_id!r}", operation="workflow", subject=workflow_id)
        return self._runs[workflow_id]

    def _check_launched(self) -> None:
        if not self._launched:
            raise Unavailable("durable steps are not launched", operation="durable")


class _Recorder:
    """Replays `records` in order, then adds to them."""

    def __init__(
        self, workflow_id: str, run: _Run, strike: Callable[[str, When], Awaitable[None]], changed: asyncio.Condition
    ) -> None:
        self.id = workflow_id
        self._run, self._strike, self._changed = run, strike, changed
        self._at = 0

    async def once(self, name: str, act: Callable[[], Awaitable[Json]]) -> Json:
        if (known := self._replay(name)) is not None:
            return known
        await self._strike(name, When.BEFORE)
        result = to_json(await act())
        await self._strike(name, When.INSIDE)
        self._record(name, result)
        await self._strike(name, When.AFTER)
        return result

    async def next_message(self, timeout: float) -> Json | None:
        if (known := self._replay("receive")) is not None:
            return known["message"] or None
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._run.inbox)
        except TimeoutError:
            pass
        message = self._run.inbox.pop(0) if self._run.inbox else None
        self._record("receive", {"message": message})
        return message

    async def cancel_wanted(self) -> bool:
        return self._run.cancel

    def _replay(self, name: str) -> Json | None:
        if self._at >= len(self._run.records):
            return None
        known, result = self._run.records[self._at]
        if known != name:
            raise HomeportError(f"the saga changed: {known!r} is recorded where it now does {name!r}", subject=self.id)
        self._at += 1
        return to_json(result)

    def _record(self, name: str, result: Json) -> None:
        self._run.records.append((name, result))
        self._at += 1
