# SPDX-License-Identifier: Apache-2.0
"""Where instances run: a supervised process, a container, a pod."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

from homeport.model.instance import Confinement, InstanceEvent, InstanceSpec, InstanceStatus, LogLine


class Runtime(Protocol):
    name: str

    async def confinement(self) -> Confinement:
        """What is enforced here and what is not. Never raises; idempotent."""
        ...

    async def start(self, spec: InstanceSpec) -> InstanceStatus:
        """Start it; returns once the program has been executed, not once it is healthy.

        Idempotent by `spec.instance`: a second call for a known instance returns its status and starts nothing.
        Raises `HomeportError` when the program cannot be executed (then nothing is left behind),
        `Unavailable` when the runtime does not answer (the caller retries with the same instance id).
        """
        ...

    async def stop(self, instance: str, *, grace: float) -> InstanceStatus:
        """SIGTERM to the program, SIGKILL to all of it after `grace` seconds; returns once it is gone.

        Idempotent; an instance that has exited is returned as it is. Raises `NotFound` for one never seen.
        """
        ...

    async def forget(self, instance: str) -> None:
        """Drop the record and folders of an exited instance (its logs stay). Already gone is no error."""
        ...

    async def list(self) -> list[InstanceStatus]:
        """All instances not yet forgotten, running or exited, whoever started them."""
        ...

    def events(self, after: int = 0) -> AsyncIterator[InstanceEvent]:
        """State changes with `seq` above `after`, in order, for ever; an exit is reported until it is forgotten."""
        ...

    def logs(self, agent_id: str, *, tail: int = 0, since_us: int = 0, follow: bool = False) -> AsyncIterator[LogLine]:
        """Lines of all instances of the agent in order, over rotations. `tail` 0: all that are kept."""
        ...

    async def remove_logs(self, agent_id: str) -> None:
        """Already gone is no error."""
        ...

    async def close(self) -> None:
        """Let go of the runtime; instances keep running."""
        ...


@runtime_checkable
class KeepsData(Protocol):
    """A runtime that may not see this machine's folders."""

    async def keeps_data(self) -> bool:
        """Whether agents' data and what they installed are in its own keeping: the folders hold what they began with.

        Raises `Unavailable`.
        """
        ...
