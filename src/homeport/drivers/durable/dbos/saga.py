# SPDX-License-Identifier: Apache-2.0
"""What a saga promises, over anything that can record a call: checks, results, compensation. No DBOS here.

Every outcome is a value, failures included, so that what is recorded is plain JSON:
a step records {"result": …} or {"error": …}; a workflow ends as {"state", "result"} or {"state", "error"}.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from homeport.errors import HomeportError, Interrupted, error_from_dict
from homeport.interfaces.durable import Json, Saga, WorkflowState

log = logging.getLogger(__name__)
UNDO_DELAYS = (0.2, 1.0)
"""Seconds before the second and the third attempt of an `undo`."""
_CANCEL = {"cancel": True}


class Recorder(Protocol):
    """The memory of one workflow. Calls come one after another."""

    id: str

    async def once(self, name: str, act: Callable[[], Awaitable[Json]]) -> Json:
        """Run `act` and record what it returns, or return what was recorded at this place of the workflow."""
        ...

    async def next_message(self, timeout: float) -> Json | None:
        """The next envelope sent to this workflow, or None after `timeout` seconds; either is recorded."""
        ...

    async def cancel_wanted(self) -> bool:
        """Whether somebody wishes so now. Not recorded."""
        ...


def envelope(topic: str, message: Json) -> Json:
    return {"topic": topic, "message": message}


def cancel_envelope() -> Json:
    """Wakes a workflow that waits for a message."""
    return dict(_CANCEL)


class SagaSteps:
    """`interfaces.durable.Steps` over a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self.id = recorder.id
        self.cancelled = False
        self._recorder = recorder
        self._done: list[tuple[str, Callable[[Json], Awaitable[None]], Json]] = []
        self._waiting: dict[str, deque[Json]] = defaultdict(deque)

    async def step(
        self,
        name: str,
        act: Callable[[], Awaitable[Json]],
        *,
        undo: Callable[[Json], Awaitable[None]] | None = None,
    ) -> Json:
        # Recorded before and apart from the step: after a crash inside `act` it must run again and be recorded,
        # even if somebody wished to cancel meanwhile; otherwise what it half did would never be undone.
        seen = await self._recorder.once(f"before {name}", self._look)
        if seen["cancel"] or self.cancelled:
            raise self._cancel()
        recorded = await self._recorder.once(name, partial(_attempt, name, act))
        if "error" in recorded:
            raise error_from_dict(recorded["error"])
        result: Json = recorded["result"]
        if undo is not None:
            self._done.append((name, undo, result))
        return result

    async def receive(self, topic: str, timeout: float) -> Json | None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout
        while not self._waiting[topic]:
            # On a rerun recorded messages come at once, and the last wait keeps its recorded deadline.
            message = await self._recorder.next_message(max(0.0, deadline - clock()))
            if message is None:
                return None
            if message == _CANCEL or self.cancelled:
                raise self._cancel()
            self._waiting[message["topic"]].append(message["message"])
        return self._waiting[topic].popleft()

    async def compensate(self) -> list[str]:
        """Undo finished steps, last first. Returns what could not be undone, in words."""
        problems = []
        while self._done:
            name, undo, result = self._done.pop()
            recorded = await self._recorder.once(f"undo {name}", partial(_undo, name, undo, result))
            if problem := recorded["problem"]:
                problems.append(f"{name}: {problem}")
        return problems

    async def _look(self) -> Json:
        return {"cancel": await self._recorder.cancel_wanted()}

    def _cancel(self) -> Interrupted:
        self.cancelled = True
        return Interrupted("cancelled on request", operation="workflow", subject=self.id)


async def run_saga(recorder: Recorder, saga: Saga, input: Json) -> Json:
    """The outcome as it is recorded. Raises only `asyncio.CancelledError`: this process stops, nothing has ended."""
    steps = SagaSteps(recorder)
    try:
        result = to_json(await saga(steps, input))
        if not steps.cancelled:
            return {"state": WorkflowState.SUCCEEDED.value, "result": result}
        error: HomeportError = Interrupted("cancelled on request", operation="workflow", subject=steps.id)
    except Exception as problem:
        error = _as_ours(problem, f"workflow {steps.id}")
    left = await steps.compensate()
    state = WorkflowState.CANCELLED if steps.cancelled else WorkflowState.FAILED
    told = error.to_dict()
    if left:
        told["message"] = f"{error.message}; and not undone: {'; '.join(left)}"
    return {"state": state.value, "error": told}


def to_json(value: object) -> Json:
    """The value as it will be read back, so that a first run and a rerun see the same.

    Raises `HomeportError` for what is no JSON object.
    """
    try:
        found = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise HomeportError(f"not JSON: {problem}", operation="record") from None
    if not isinstance(found, dict):
        raise HomeportError(f"not a JSON object but {type(value).__name__}", operation="record")
    return found


async def _attempt(name: str, act: Callable[[], Awaitable[Json]]) -> Json:
    try:
        return {"result": to_json(await act())}
    except asyncio.CancelledError:
        if _is_being_cancelled():
            raise
        return {"error": _as_ours(HomeportError("gave up waiting for itself"), f"step {name!r}").to_dict()}
    except Exception as problem:
        return {"error": _as_ours(problem, f"step {name!r}").to_dict()}


async def _undo(name: str, undo: Callable[[Json], Awaitable[None]], result: Json) -> Json:
    for delay in (*UNDO_DELAYS, None):
        try:
            await undo(json.loads(json.dumps(result)))
            return {"problem": ""}
        except Exception as problem:
            error = _as_ours(problem, f"undo of {name!r}")
            log.warning("undo of step %r failed: %s", name, error.message)
        if delay is None:
            break
        await asyncio.sleep(delay)
    return {"problem": f"{error.message} ({error.type})"}


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _as_ours(problem: Exception, where: str) -> HomeportError:
    """Texts of foreign errors may quote secrets: they go to the log, not into a record that people are shown."""
    if isinstance(problem, HomeportError):
        return problem
    log.error("unexpected error in %s", where, exc_info=problem)
    return HomeportError(
        f"unexpected {type(problem).__name__} in {where}", operation="workflow", hint="the server's log has the details"
    )


def outcome_error(outcome: dict[str, Any]) -> dict[str, Any] | None:
    """`HomeportError.to_dict` of an outcome that has one."""
    error = outcome.get("error")
    return error if isinstance(error, dict) else None
