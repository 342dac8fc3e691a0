# SPDX-License-Identifier: Apache-2.0
"""An agent, what was asked of it, and what was last seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from homeport.model.codec import stored_as
from homeport.model.source import Source
from homeport.model.workload import Workload


class Desired(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"


class AgentState(StrEnum):
    """As people see it. CREATED → STARTING → RUNNING ⇄ UNHEALTHY; exits lead to RESTARTING, CRASHED or STOPPED."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Exit:
    """How an instance ended, as observed. Exactly one of `code`, `signal` and `lost` explains it.

    `oom` is true only where the kernel counted an OOM kill in the instance's cgroup. `lost` means that nobody
    was there to see it (its keeper died); then neither code nor signal is known and none is made up.
    """

    at_us: int
    code: int | None = None
    signal: int | None = None
    oom: bool = False
    lost: bool = False

    def reason(self) -> str:
        """One phrase for people, from what was observed and nothing else."""
        if self.lost:
            return "its supervisor died; the exit was not observed"
        if self.oom:
            return "killed by the kernel: memory limit reached (OOM)"
        if self.signal is not None:
            import signal

            try:
                return f"killed by signal {self.signal} ({signal.Signals(self.signal).name})"
            except ValueError:
                return f"killed by signal {self.signal}"
        return "exited normally (status 0)" if self.code == 0 else f"exited with status {self.code}"


@stored_as("agent")
@dataclass(frozen=True, slots=True)
class Agent:
    """The record of an agent. `name` is unique within `namespace`; `id` is unique for ever.

    `endpoint` is "" while no instance runs. `incarnation` grows by one with every start, and names the instance
    (`instance_id`), so that a server that crashed between writing and starting finds its own again.
    """

    id: str
    namespace: str
    name: str
    desired: Desired
    state: AgentState
    workload: Workload
    source: Source
    machine: str
    plan: str = ""
    incarnation: int = 0
    endpoint: str = ""
    detail: str = ""
    restarts: int = 0
    last_exit: Exit | None = None
    created_at_us: int = 0
    changed_at_us: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def instance_id(self) -> str:
        """Of the latest instance; "" if none was ever started."""
        return f"{self.id}-{self.incarnation}" if self.incarnation else ""
