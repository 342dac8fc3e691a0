# SPDX-License-Identifier: Apache-2.0
"""Carries each command of the closed set to its driver, and brings back what came of it as an event.

The only place where decisions become effects. A command that fails in an expected way is an answer, not an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from homeport.app.runtimes import Runtimes
from homeport.errors import HomeportError
from homeport.interfaces.clock import Clock
from homeport.interfaces.probe import Probe
from homeport.interfaces.secrets import Secrets
from homeport.model.agent import Agent, Exit
from homeport.model.instance import InstanceSpec, InstanceState
from homeport.run.signals import (
    Event,
    Exited,
    ForgetInstance,
    Probed,
    ProbeInstance,
    Started,
    StartFailed,
    StartInstance,
    StopFailed,
    StopInstance,
)
from homeport.settings import Paths

log = structlog.get_logger(__name__)

Carried = StartInstance | StopInstance | ForgetInstance | ProbeInstance


@dataclass(frozen=True, slots=True)
class Carrier:
    runtimes: Runtimes
    probe: Probe
    secrets: Secrets
    paths: Paths
    clock: Clock
    lay_again: Callable[[Agent], Awaitable[None]]
    """Puts an agent's folders here if they are not: another server may have made them."""

    async def carry(self, agent: Agent, command: Carried) -> Event | None:
        """Perform one command for `agent`. Safe to repeat after a crash: all of them are idempotent by instance.

        What nobody expected is logged, and is an answer too: one agent's trouble is not that of the others.
        """
        try:
            return await self._carry(agent, command)
        except HomeportError:
            raise
        except Exception as error:
            log.exception("carry.failed", agent=agent.name, command=str(command))
            return _failed(command, f"unexpected {type(error).__name__}; the server's log has the details")

    async def _carry(self, agent: Agent, command: Carried) -> Event | None:
        match command:
            case StartInstance(incarnation):
                return await self._start(agent, incarnation)
            case StopInstance(incarnation, grace):
                return await self._stop(agent, incarnation, grace)
            case ForgetInstance(incarnation):
                await self.runtimes.of(agent.workload.runtime).forget(instance_id(agent, incarnation))
                return None
            case ProbeInstance(incarnation, endpoint):
                result = await self.probe.check(endpoint, agent.workload.health)
                return Probed(incarnation, result.ok, result.detail)

    async def _start(self, agent: Agent, incarnation: int) -> Event:
        try:
            env = dict(agent.workload.env)
            for name in agent.workload.secrets:
                env[name] = await self.secrets.get(agent.namespace, name)
            env["HOMEPORT_AGENT"] = agent.name
            await self.lay_again(agent)
            status = await self.runtimes.of(agent.workload.runtime).start(
                InstanceSpec(
                    instance=instance_id(agent, incarnation),
                    agent_id=agent.id,
                    namespace=agent.namespace,
                    name=agent.name,
                    workload=replace(agent.workload, code=str(self.paths.agents / agent.workload.code)),
                    data=str(data_folder(self.paths, agent.id)),
                    env=env,
                )
            )
        except HomeportError as error:
            return StartFailed(incarnation, error.message, error.retry)
        if status.state is InstanceState.EXITED:
            return Exited(incarnation, status.exit or self._unseen())
        return Started(incarnation, status.endpoint)

    async def _stop(self, agent: Agent, incarnation: int, grace: float) -> Event | None:
        try:
            runtime = self.runtimes.of(agent.workload.runtime)
            status = await runtime.stop(instance_id(agent, incarnation), grace=grace)
        except HomeportError as error:
            return StopFailed(incarnation) if error.retry else Exited(incarnation, self._unseen())
        return Exited(incarnation, status.exit or self._unseen())

    def _unseen(self) -> Exit:
        return Exit(at_us=self.clock.now_us(), lost=True)


def _failed(command: Carried, why: str) -> Event | None:
    match command:
        case StartInstance(incarnation):
            return StartFailed(incarnation, why, retry=False)
        case StopInstance(incarnation, _):
            return StopFailed(incarnation)
        case ProbeInstance(incarnation, _):
            return Probed(incarnation, False, why)
        case ForgetInstance():
            return None


def instance_id(agent: Agent, incarnation: int) -> str:
    return f"{agent.id}-{incarnation}"


def data_folder(paths: Paths, agent_id: str) -> Path:
    """Where the agent's own files are kept over restarts."""
    return paths.agents / agent_id / "data"
