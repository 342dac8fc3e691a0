# SPDX-License-Identifier: Apache-2.0
"""One run of an agent's program on one runtime."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from homeport.model.agent import Exit
from homeport.model.workload import Workload


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What a runtime needs to start one instance. `env` is complete, secrets resolved: never stored, never logged.

    `agent_id` names the log folder, `data` is the agent's own writable folder (kept over restarts). Both folders exist
    when the instance starts. The program runs in the code folder: name files relative to it, and data by
    `$HOMEPORT_DATA`, because where they are seen depends on the runtime. `$NAME` and `${NAME}` in the start command
    are filled from the environment, without a shell. With `job` it is
    a one-off: no port, code folder writable, network as the workload says (used to install dependencies).
    """

    instance: str
    agent_id: str
    namespace: str
    name: str
    workload: Workload
    data: str
    env: dict[str, str] = field(default_factory=dict)
    job: bool = False


class InstanceState(StrEnum):
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """`endpoint` is where the gateway connects: `unix:/path` (or `tcp:host:port`), "" for a job or after the exit."""

    instance: str
    agent_id: str
    state: InstanceState
    endpoint: str = ""
    pid: int = 0
    started_at_us: int = 0
    exit: Exit | None = None


@dataclass(frozen=True, slots=True)
class InstanceEvent:
    """`seq` grows by one per event of a runtime, and survives its restarts: resume with the last one seen."""

    seq: int
    status: InstanceStatus


@dataclass(frozen=True, slots=True)
class LogLine:
    """`stream` is "out" or "err", or "sys" for what Homeport itself says about the instance."""

    at_us: int
    stream: str
    instance: str
    text: str


@dataclass(frozen=True, slots=True)
class Confinement:
    """What this machine lets the runtime enforce, and what it does not, in words a user can act on."""

    level: str
    enforced: tuple[str, ...]
    missing: tuple[str, ...] = ()
    hint: str = ""
