# SPDX-License-Identifier: Apache-2.0
"""What `flow.carry_out` needs from this machine: folders, one-off installs, agents under supervision."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from homeport.app.agentlogs import AgentLogs
from homeport.app.carry import data_folder
from homeport.app.eventlog import EventLog
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.drivers.runtimes.process.trees import delete_tree
from homeport.errors import Conflict, HomeportError, NoStartCommand, NotFound, Unavailable, Unhealthy
from homeport.interfaces.cloud import Cloud
from homeport.interfaces.fetcher import Fetcher
from homeport.interfaces.images import ImageFacts
from homeport.interfaces.runtime import Runtime
from homeport.model.agent import Agent, AgentState, Exit
from homeport.model.instance import InstanceSpec, InstanceState
from homeport.model.order import Order
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Workload
from homeport.run.workload import start_in_image
from homeport.settings import Paths

log = structlog.get_logger(__name__)

SETTLED = (AgentState.RUNNING, AgentState.CRASHED, AgentState.STOPPED)
LAST_LINES = 20
INSTALL_TIMEOUT_S = 900.0


@dataclass(slots=True)
class LocalHouse:
    paths: Paths
    clouds: Mapping[str, Cloud]
    fetchers: Mapping[str, Fetcher]
    runtimes: Runtimes
    agent_logs: AgentLogs
    supervisor: Supervisor
    events: EventLog
    network_env: Mapping[str, str]
    """Proxies and certificates, for installs only: agents themselves have no network."""
    container_base: str
    """The image that agents in containers run in; "" means the programs of this machine."""

    def python_of(self, runtime: str) -> str:
        return "python3" if runtime == "docker" and self.container_base else sys.executable

    def cloud(self, name: str) -> Cloud:
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

    async def lay_out(self, order: Order) -> str:
        folder = self._code_folder(order)
        await self._sweep_code(order, keep=str(folder))
        if not folder.exists():
            folder.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            await self.fetchers[order.plan.source.kind].export(order.plan.source, folder)
        data_folder(self.paths, order.agent_id).mkdir(mode=0o700, exist_ok=True)
        return str(folder)

    async def _sweep_code(self, order: Order, keep: str) -> None:
        """What was replaced before the agent that runs now: nothing goes back to it any more."""
        used = {agent.workload.code for agent in self._mine(order)} | {keep}
        for code in self._agent_folder(order).glob("code-*"):
            if str(code) not in used:
                await _erase(code)

    async def clear(self, order: Order) -> None:
        mine = self._mine(order)
        await self._sweep_images(order.agent_id, {agent.workload.image for agent in mine})
        if not mine:
            await self.remove_agent_folder(order.agent_id)
        elif all(agent.workload.code != str(self._code_folder(order)) for agent in mine):
            await _erase(self._code_folder(order))

    async def remove_agent_folder(self, agent_id: str, *, keep_data: bool = False) -> None:
        await self._sweep_images(agent_id, set())
        folder = self.paths.agents / agent_id
        if keep_data:
            for code in folder.glob("code-*"):
                await _erase(code)
            return
        await _erase(folder)

    # ── images ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def obtain_image(self, order: Order, code: str) -> str:
        needs, source = order.plan.requirements, order.plan.source
        self._agent_folder(order).mkdir(mode=0o711, parents=True, exist_ok=True)
        data_folder(self.paths, order.agent_id).mkdir(mode=0o700, exist_ok=True)
        if needs.image is not None:
            facts = await self.runtimes.images.look(_pinned(source) or needs.image.value, pull=True, said=_note)
        else:
            facts = await self._build(order, code)
        if not (facts.command or facts.entrypoint or start_in_image(needs)):
            raise NoStartCommand(
                f"the image {facts.reference} has no command of its own", operation="image", subject=order.plan.name,
                hint="say what to run with --start",
            )  # fmt: skip
        return facts.id

    async def _build(self, order: Order, code: str) -> ImageFacts:
        """What was built is marked in the agent's folder, so that it goes when nothing runs from it any more."""
        dockerfile = order.plan.requirements.dockerfile
        assert dockerfile is not None
        tag = f"homeport/{order.agent_id.lower()}:{order.plan.source.digest[:12]}"
        mark = self._agent_folder(order) / f"image-{order.plan.source.digest[:12]}"
        await asyncio.to_thread(mark.write_text, tag)
        facts = await self.runtimes.images.build(Path(code), dockerfile=dockerfile.value, tag=tag, said=_note)
        await asyncio.to_thread(mark.write_text, facts.id)
        await self._sweep_images(order.agent_id, {facts.id, *(agent.workload.image for agent in self._mine(order))})
        await _erase(Path(code))
        return facts

    async def _sweep_images(self, agent_id: str, used: set[str]) -> None:
        for mark in (self.paths.agents / agent_id).glob("image-*"):
            image = mark.read_text().strip()
            if image in used:
                continue
            try:
                await self.runtimes.images.remove(image)
            except HomeportError as error:
                log.warning("house.image_not_removed", image=image, error=error.message)
                continue
            mark.unlink(missing_ok=True)

    def _mine(self, order: Order) -> list[Agent]:
        return [agent for agent in self.supervisor.agents() if agent.id == order.agent_id]

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
            env={**self.network_env, **job.env},
            job=True,
        )
        runtime = self.runtimes.of(job.runtime)
        try:
            await runtime.start(spec)
            async with asyncio.timeout(INSTALL_TIMEOUT_S):
                exit_ = await self._job_exit(runtime, instance)
        except TimeoutError:
            raise Unhealthy(f"installing took more than {INSTALL_TIMEOUT_S:g} s", operation="install") from None
        finally:
            await runtime.stop(instance, grace=1.0)
            await runtime.forget(instance)
            await _erase(scratch)
        if exit_.code != 0:
            raise Unhealthy(
                f"installing the dependencies failed ({exit_.reason()}):\n{await self._last_lines(order)}",
                operation="install",
                subject=order.plan.name,
                hint="the lines above are the installer's own",
            )

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
            return agent
        lines = await self._last_lines(order)
        return replace(agent, detail=f"{agent.detail}\n{lines}" if lines else agent.detail)

    async def _last_lines(self, order: Order) -> str:
        read = self.agent_logs.read(
            order.agent_id, runtime=order.plan.runtime, namespace=order.namespace, given=order.secrets, tail=LAST_LINES
        )
        lines = [line.text async for line in read]
        return "\n".join(f"  | {text}" for text in lines)

    def _code_folder(self, order: Order) -> Path:
        return self._agent_folder(order) / f"code-{order.plan.source.digest[:12]}"

    def _agent_folder(self, order: Order) -> Path:
        return self.paths.agents / order.agent_id


def _pinned(source: Source) -> str:
    """The very image that the plan was made from, where it was there to be looked at."""
    return source.digest if source.kind is SourceKind.IMAGE and source.digest.startswith("sha256:") else ""


def _note(line: str) -> None:
    log.debug("image.said", line=line)


async def _erase(folder: Path) -> None:
    """What agents wrote goes however they left it; a disk that refuses must not keep the rest from being undone."""
    try:
        await asyncio.to_thread(delete_tree, str(folder))
    except OSError as error:
        log.error("house.folder_not_removed", folder=str(folder), error=str(error))
