# SPDX-License-Identifier: Apache-2.0
"""Workflows that survive a crash: recorded steps, compensation in reverse, cancelling by request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Json = dict[str, Any]


class WorkflowState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class WorkflowStatus:
    """`result` when it succeeded, `error` (`HomeportError.to_dict`) when it failed or was cancelled."""

    id: str
    name: str
    state: WorkflowState
    input: Json
    result: Json | None = None
    error: dict[str, Any] | None = None


class Steps(Protocol):
    """What a saga is given. It must be deterministic outside its steps: no clock, no randomness, no I/O.

    Steps are awaited one after another. Saga, `act` and `undo` all run on the event loop that launched the engine.
    """

    id: str

    async def step(
        self,
        name: str,
        act: Callable[[], Awaitable[Json]],
        *,
        undo: Callable[[Json], Awaitable[None]] | None = None,
    ) -> Json:
        """Run `act` once and record its JSON result; on a rerun return the record without running it.

        A crash inside `act` runs it again: look up and adopt belongs inside `act`. Before each step a recorded
        wish to cancel is honoured. When a later step fails or the saga is cancelled, the `undo` of every finished
        step runs in reverse, each recorded as a step of its own; they get the recorded result and must be
        idempotent. A failing `undo` is retried, then reported in the error; the rest still run.

        Raises what `act` raised: `HomeportError`s as themselves, others as a `HomeportError` that names their class
        only. A step that fails is not undone itself: what it may have left behind belongs to the `undo` of a step
        before it. Raises `Interrupted` when the saga is being cancelled.
        """
        ...

    async def receive(self, topic: str, timeout: float) -> Json | None:
        """The next message sent to this workflow on `topic`; None after `timeout` seconds. Recorded.

        Raises `Interrupted` when the saga is being cancelled, also while it waits.
        """
        ...


Saga = Callable[[Steps, Json], Awaitable[Json]]


class Durable(Protocol):
    """Any question raises `Unavailable`, within half a minute, while the database does not answer; what was asked may
    have been done all the same, so ask again. Workflows under way wait, and go on when it is back: a result that
    could not be recorded is never taken for a failure of its step."""

    def register(self, name: str, saga: Saga) -> None:
        """Before `launch`. A changed saga takes a new name (`up.v2`): the old one stays for those under way."""
        ...

    def claim(self) -> None:
        """Take the state folder's lock now, ahead of `launch`, so that a second server touches nothing else first.

        Idempotent; `close` lets go. Raises `Conflict` naming the process that holds it.
        """
        ...

    async def launch(self) -> None:
        """Claim the state folder and resume what was under way.

        Raises `Conflict` if another server holds the lock. Workflows whose saga is not registered stay as they are.
        """
        ...

    async def start(self, name: str, workflow_id: str, input: Json) -> None:
        """Idempotent by `workflow_id`: one that exists is left alone, whatever its state. Durable on return."""
        ...

    async def status(self, workflow_id: str) -> WorkflowStatus | None: ...

    async def list(self, *, name: str = "", limit: int = 100) -> list[WorkflowStatus]:
        """Newest first."""
        ...

    async def wait(self, workflow_id: str, timeout: float | None = None) -> WorkflowStatus:
        """Until it has ended, or `timeout` seconds have passed; a database that is away is waited for as long.

        Raises `NotFound`, and `Unavailable` once closed or where the time is up and the database is away.
        """
        ...

    async def cancel(self, workflow_id: str) -> None:
        """Record the wish; the saga honours it before its next step, and compensates. Idempotent.

        No effect on one that has ended. Raises `NotFound`.
        """
        ...

    async def send(self, workflow_id: str, topic: str, message: Json, *, key: str = "") -> None:
        """For `Steps.receive`. The same `key` delivers once per workflow and topic. Raises `NotFound`."""
        ...

    async def prune(self, older_than_s: float) -> int:
        """Forget workflows that ended more than so many seconds ago; returns how many. Safe to repeat."""
        ...

    async def close(self) -> None:
        """Stop taking steps; what is under way resumes at the next launch. Steps are cut off. Idempotent."""
        ...
