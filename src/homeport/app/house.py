# SPDX-License-Identifier: Apache-2.0
"""What `flow.carry_out` needs from this machine: folders, one-off installs, agents under supervision."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import structlog

from homeport.app.agentimages import AgentImages
from homeport.app.agentlogs import AgentLogs
from homeport.app.applying import no_driver
from homeport.app.folders import AgentFolders, code_of, erase
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.errors import Conflict, HomeportError, NotFound, StalePlan, Unavailable, Unhealthy
from homeport.flow import agent_of, judge
from homeport.interfaces.cloud import Cloud
from homeport.interfaces.fetcher import Fetcher
from homeport.interfaces.runtime import Runtime
from homeport.model.agent import Agent, AgentState, Exit
from homeport.model.instance import InstanceSpec, InstanceState
from homeport.model.locator import locator_of
from homeport.model.order import Order
from homeport.model.workload import Workload
from homeport.run.workload import install_job

log = structlog.get_logger(__name__)

SETTLED = (AgentState.RUNNING, AgentState.CRASHED, AgentState.STOPPED)
LAST_LINES = 20
INSTALL_TIMEOUT_S = 900.0
RUNTIME_AWAY_S = 20.0


@dataclass(slots=True)
class LocalHouse:
    folders: AgentFolders
    images: AgentImages
    clouds: Mapping[str, Cloud]
    fetchers: Mapping[str, Fetcher]
    runtimes: Runtimes
    agent_logs: AgentLogs
    supervisor: Supervisor
    network_env: Mapping[str, str]
    """Proxies and certificates, for installs only: agents themselves have no network."""
    container_base: str
    """The image that agents in containers run in; "" means the programs of this machine."""
    told: Callable[[], Awaitable[object]]
    """Returns once the gateway knows where the agents are, or seems to be away."""

    def python_of(self, runtime: str) -> str:
        return "python3" if runtime == "docker" and self.container_base else sys.executable

    def cloud(self, name: str) -> Cloud:
        """Raises `UsageError` for one where this version cannot start a machine."""
        if name not in self.clouds:
            raise no_driver(name)
        return self.clouds[name]

    # ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def former(self, order: Order) -> Agent | None:
        try:
            agent = self.supervisor.agent(order.namespace, order.plan.name)
        except NotFound:
            return None
        if agent.id != order.agent_id:
            raise Conflict(f"the name {agent.name!r} was taken meanwhile", operation="up", subject=agent.name)
        return agent

    async def has_image(self, agent: Agent) -> bool:
        return await self.images.has(agent.workload.image)

    async def lay_out(self, order: Order) -> str:
        keep = code_of(order.agent_id, order.plan.source)
        await self.folders.sweep(order.agent_id, {keep, *(agent.workload.code for agent in self._mine(order))})
        await self.folders.drop_begun(order.agent_id, order.plan.source)
        return await self.folders.lay_out(order.agent_id, order.plan.source)

    async def obtain_image(self, order: Order, code: str) -> str:
        if code:
            await self._here(order)
        return await self.images.obtain(order, code)

    async def lay_again(self, agent: Agent) -> None:
        """The agent's folders, where another server has made them and this machine has none: from its source, again.

        Raises what the source raises, `StalePlan` where what it said then can no longer be had.
        """
        source, runtime = agent.source, agent.workload.runtime
        self.folders.open(agent.id)
        begun = self.folders.begun(code_of(agent.id, source))
        if agent.workload.image or (self.folders.of(agent.workload.code).exists() and not begun.exists()):
            return
        instance = f"{agent.id}-job-again"
        if begun.exists():
            await self._end_job(self.runtimes.of(runtime), instance)
            await self.folders.drop_begun(agent.id, source)
        begun.touch()
        log.info("house.lay_again", agent=agent.name, source=source.locator)
        locator, ref = locator_of(source)
        found, needs, _ = await judge(locator, self.fetchers[source.kind], ref=ref)
        if found.digest != source.digest:
            raise StalePlan(
                f"{source.locator} has moved", operation="start", subject=agent.name, hint="deploy it again"
            )
        code = await self.folders.lay_out(agent.id, source)
        job = install_job(needs, code=code, python=self.python_of(runtime), runtime=runtime)
        if job is not None:
            await self._run_job(agent, instance, job)
        begun.unlink()

    async def _here(self, order: Order) -> None:
        """The code that the deployment works on, where it was laid out by another server, which is gone."""
        await self.folders.lay_out(order.agent_id, order.plan.source)

    async def clear(self, order: Order) -> None:
        mine = self._mine(order)
        await self.images.sweep(order.agent_id, {agent.workload.image for agent in mine})
        await self.folders.sweep(order.agent_id, {agent.workload.code for agent in mine})
        if not mine:
            await self.folders.remove(order.agent_id)

    async def remove_agent_folder(self, agent_id: str, *, keep_data: bool = False) -> None:
        await self.images.sweep(agent_id, set())
        await self.folders.remove(agent_id, keep_data=keep_data)

    def _mine(self, order: Order) -> list[Agent]:
        return [agent for agent in self.supervisor.agents() if agent.id == order.agent_id]

    # ── dependencies ─────────────────────────────────────────────────────────────────────────────────────────────
    async def install(self, order: Order, job: Workload) -> None:
        await self._here(order)
        await self._run_job(agent_of(order, "", job.code), f"{order.agent_id}-job-{order.deployment[-8:]}", job)

    async def _run_job(self, agent: Agent, instance: str, job: Workload) -> None:
        scratch = self.folders.open(agent.id) / "job"
        scratch.mkdir(mode=0o700, exist_ok=True)
        spec = InstanceSpec(
            instance=instance,
            agent_id=agent.id,
            namespace=agent.namespace,
            name=agent.name,
            workload=replace(job, code=str(self.folders.of(job.code))),
            data=str(scratch),
            env={**self.network_env, **job.env},
            job=True,
        )
        runtime = self.runtimes.of(job.runtime)
        try:
            await _patiently(lambda: runtime.start(spec))
            async with asyncio.timeout(INSTALL_TIMEOUT_S):
                exit_ = await self._job_exit(runtime, instance)
        except TimeoutError:
            raise Unhealthy(f"installing took more than {INSTALL_TIMEOUT_S:g} s", operation="install") from None
        finally:
            await self._end_job(runtime, instance)
            await erase(scratch)
        if exit_.code != 0:
            raise Unhealthy(
                f"installing the dependencies failed ({exit_.reason()}):\n{await self._last_lines(agent)}",
                operation="install",
                subject=agent.name,
                hint="the lines above are the installer's own",
            )

    @staticmethod
    async def _end_job(runtime: Runtime, instance: str) -> None:
        with suppress(NotFound):  # it was never started
            await _patiently(lambda: runtime.stop(instance, grace=1.0))
        await _patiently(lambda: runtime.forget(instance))

    @staticmethod
    async def _job_exit(runtime: Runtime, instance: str) -> Exit:
        while True:
            try:
                for status in await runtime.list():
                    if status.instance == instance and status.state is InstanceState.EXITED and status.exit:
                        return status.exit
            except Unavailable:
                pass  # the runtime restarts; the job's exit is recorded there
            await asyncio.sleep(0.1)

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def enlist(self, agent: Agent) -> None:
        """An agent that runs as asked already is left alone."""
        now = next((known for known in self.supervisor.agents() if known.id == agent.id), None)
        same = now is not None and (now.workload, now.plan) == (agent.workload, agent.plan)
        if not same or now is None or now.state is not AgentState.RUNNING:
            await self.supervisor.enlist(agent)

    async def dismiss(self, order: Order, former: Agent | None) -> None:
        if former is not None and any(known.id == former.id for known in self.supervisor.agents()):
            with suppress(Conflict):  # it is being removed: there is nothing to go back to
                await self.enlist(former)
            return
        try:
            await self.supervisor.dismiss(order.namespace, order.plan.name)
        except NotFound:
            return
        await self.runtimes.of(order.plan.runtime).remove_logs(order.agent_id)

    async def release(self, machine_id: str) -> None:
        for cloud in self.clouds.values():
            for machine in await cloud.owned():
                if machine.id == machine_id:
                    await cloud.delete(machine)

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
            await self.told()
            return agent
        lines = await self._last_lines(agent)
        return replace(agent, detail=f"{agent.detail}\n{lines}" if lines else agent.detail)

    async def _last_lines(self, agent: Agent) -> str:
        read = self.agent_logs.read(
            agent.id, runtime=agent.workload.runtime, namespace=agent.namespace, given=agent.workload.secrets,
            tail=LAST_LINES,
        )  # fmt: skip
        try:
            return "\n".join([f"  | {line.text}" async for line in read])
        except HomeportError as error:  # what went wrong before is what people must hear of
            log.warning("house.no_last_lines", agent=agent.name, error=error.message)
            return ""


async def _patiently(ask: Callable[[], Awaitable[object]]) -> None:
    """What is safe to ask a runtime twice, until one that restarts is back. Raises `Unavailable` where it stays away.

    A keeper that dies takes us along: what it could not do must not have failed by then, but be found under way.
    """
    clock = asyncio.get_running_loop().time
    ends = clock() + RUNTIME_AWAY_S
    while True:
        try:
            await ask()
            return
        except Unavailable:
            if clock() > ends:
                raise
        await asyncio.sleep(0.2)
