# SPDX-License-Identifier: Apache-2.0
"""What `flow.carry_out` needs from this machine: folders, one-off installs, agents under supervision."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from homeport.app.carry import data_folder
from homeport.app.eventlog import EventLog
from homeport.app.loops.supervise import Supervisor
from homeport.errors import Conflict, NotFound, Unavailable, Unhealthy
from homeport.flow import Order
from homeport.interfaces.cloud import Cloud
from homeport.interfaces.durable import Json
from homeport.interfaces.fetcher import Fetcher
from homeport.interfaces.runtime import Runtime
from homeport.model.agent import Agent, AgentState, Exit
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.instance import InstanceSpec, InstanceState
from homeport.model.workload import Workload
from homeport.settings import Paths

SETTLED = (AgentState.RUNNING, AgentState.CRASHED, AgentState.STOPPED)
LAST_LINES = 20
INSTALL_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class LocalHouse:
    python: str
    paths: Paths
    clouds: Mapping[str, Cloud]
    fetchers: Mapping[str, Fetcher]
    runtime: Runtime
    supervisor: Supervisor
    events: EventLog

    def cloud(self, name: str) -> Cloud:
        return self.clouds[name]

    # ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def lay_out(self, order: Order) -> str:
        folder = self._agent_folder(order) / f"code-{order.plan.source.digest[:12]}"
        if not folder.exists():
            folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            fetcher = self.fetchers[order.plan.source.kind]
            await fetcher.export(order.plan.source, folder)
        data_folder(self.paths, order.agent_id).mkdir(mode=0o700, exist_ok=True)
        return str(folder)

    async def clear(self, order: Order, code: str) -> None:
        """Only what this order laid out: an agent that still uses the same code keeps it."""
        if any(agent.workload.code == code for agent in self.supervisor.agents()):
            return
        await asyncio.to_thread(shutil.rmtree, code, True)
        if not any(agent.id == order.agent_id for agent in self.supervisor.agents()):
            await self.remove_agent_folder(order.agent_id)

    async def remove_agent_folder(self, agent_id: str, *, keep_data: bool = False) -> None:
        folder = self.paths.agents / agent_id
        if keep_data:
            for code in folder.glob("code-*"):
                await asyncio.to_thread(shutil.rmtree, code, True)
            return
        await asyncio.to_thread(shutil.rmtree, folder, True)

    # ── dependencies ─────────────────────────────────────────────────────────────────────────────────────────────
    async def install(self, order: Order, job: Workload) -> None:
        instance = f"{order.agent_id}-job-{order.deployment[-8:]}"
        scratch = self._agent_folder(order) / "job"
        scratch.mkdir(mode=0o700, exist_ok=True)
        spec = InstanceSpec(
            instance=instance,
            agent_id=order.agent_id,
            namespace=order.namespace,
            name=order.plan.name,
            workload=job,
            data=str(scratch),
            env=dict(job.env),
            job=True,
        )
        try:
            await self.runtime.start(spec)
            async with asyncio.timeout(INSTALL_TIMEOUT_S):
                exit_ = await self._job_exit(instance)
        except TimeoutError:
            raise Unhealthy(f"installing took more than {INSTALL_TIMEOUT_S:g} s", operation="install") from None
        finally:
            await self.runtime.stop(instance, grace=1.0)
            await self.runtime.forget(instance)
            await asyncio.to_thread(shutil.rmtree, scratch, True)
        if exit_.code != 0:
            raise Unhealthy(
                f"installing the dependencies failed ({exit_.reason()}):\n{await self._last_lines(order.agent_id)}",
                operation="install",
                subject=order.plan.name,
                hint="the lines above are the installer's own",
            )

    async def _job_exit(self, instance: str) -> Exit:
        while True:
            try:
                for status in await self.runtime.list():
                    if status.instance == instance and status.state is InstanceState.EXITED and status.exit:
                        return status.exit
            except Unavailable:
                pass  # the runtime restarts; the job's exit is recorded there
            await asyncio.sleep(0.1)

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def enlist(self, order: Order, agent: Agent) -> Json:
        existing = self._existing(order)
        if existing is None:
            await self.supervisor.enlist(agent)
            return {"before": None}
        if existing.id != order.agent_id:
            raise Conflict(f"the name {agent.name!r} was taken meanwhile", operation="up", subject=agent.name)
        before = None if existing.plan == order.plan.id else to_builtins(existing)
        if existing.workload != agent.workload or existing.state is not AgentState.RUNNING:
            await self.supervisor.enlist(agent)
        return {"before": before}

    async def dismiss(self, order: Order, before: Json) -> None:
        if before["before"] is not None:
            await self.supervisor.enlist(from_builtins(before["before"], Agent))
            return
        try:
            await self.supervisor.dismiss(order.namespace, order.plan.name)
        except NotFound:
            return
        await self.runtime.remove_logs(order.agent_id)
        await self.remove_agent_folder(order.agent_id)

    async def until_settled(self, order: Order) -> Agent:
        try:
            patience = self.supervisor.agent(order.namespace, order.plan.name).workload.health.start_period
            async with asyncio.timeout(patience):
                agent = await self.supervisor.until(order.namespace, order.plan.name, SETTLED)
        except TimeoutError:
            agent = self.supervisor.agent(order.namespace, order.plan.name)
            agent = replace(agent, detail=agent.detail or f"not healthy within {patience:g} s")
        except NotFound:
            raise Unhealthy("the agent was removed while it started", operation="up", subject=order.plan.name) from None
        if agent.state is AgentState.RUNNING:
            return agent
        lines = await self._last_lines(order.agent_id)
        return replace(agent, detail=f"{agent.detail}\n{lines}" if lines else agent.detail)

    def _existing(self, order: Order) -> Agent | None:
        try:
            return self.supervisor.agent(order.namespace, order.plan.name)
        except NotFound:
            return None

    async def _last_lines(self, agent_id: str) -> str:
        lines = [line.text async for line in self.runtime.logs(agent_id, tail=LAST_LINES)]
        return "\n".join(f"  | {text}" for text in lines)

    def _agent_folder(self, order: Order) -> Path:
        return self.paths.agents / order.agent_id
