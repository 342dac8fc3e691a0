# SPDX-License-Identifier: Apache-2.0
"""Making a plan real: whatever dies or fails in between, the end is everything once, or nothing at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeport.errors import HomeportError, StalePlan, Unhealthy
from homeport.flow import agent_of, carry_out, wish_of
from homeport.interfaces.durable import Json, Steps, WorkflowState
from homeport.model.agent import Agent, AgentState
from homeport.model.evidence import Inferred, Origin
from homeport.model.order import Order
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Delivery, Workload
from homeport.testing.clouds import FakeCloud
from homeport.testing.durables import MemoryDurable, When

STEPS = ("look", "machine intent", "machine", "code intent", "code", "install", "agent intent", "agent", "ready")


def said(value: Any) -> Inferred[Any]:
    return Inferred(value, Origin.MANIFEST)


OFFER = Offer("fake", "here", "small", cpus=1, memory_bytes=1 << 30, disk_bytes=1 << 30)
PLAN = Plan(
    id="plan-1",
    name="demo",
    source=Source(SourceKind.FOLDER, "/src", "d1"),
    requirements=Requirements(
        ecosystem=said(Ecosystem.PYTHON), start=said(("python", "main.py")), runtime_version=None, port=said(8000),
        health_path=said("/health"), memory_bytes=said(1 << 28), gpu=said(GpuNeed.NO),
        delivery=said(Delivery.AT_LEAST_ONCE), honours_keys=said(False), install=("requirements.txt",),
    ),
    chosen=OFFER, hours=0, total=OFFER.hourly, candidates=(), steps=(),
)  # fmt: skip
ORDER = Order("dep_1", "default", "agt_1", PLAN)


@dataclass
class MemoryHouse:
    """A house of sets: what is there now, and how often each thing was done."""

    the_cloud: FakeCloud
    folders: set[str] = field(default_factory=set)
    agents: dict[str, Agent] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    fails: dict[str, HomeportError] = field(default_factory=dict)
    settles: AgentState = AgentState.RUNNING
    image_is_here: bool = True

    def python_of(self, runtime):
        return "python3"

    def cloud(self, name: str) -> FakeCloud:
        return self.the_cloud

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails[what]

    async def former(self, order: Order) -> Agent | None:
        return self.agents.get(order.plan.name)

    async def has_image(self, agent: Agent) -> bool:
        return self.image_is_here

    async def lay_out(self, order: Order) -> str:
        self.folders.add(order.agent_id)  # half-made even where it fails
        self._do("lay_out")
        return f"/agents/{order.agent_id}/code"

    async def clear(self, order: Order) -> None:
        if order.plan.name not in self.agents:
            self.folders.discard(order.agent_id)

    async def install(self, order: Order, job: Workload) -> None:
        self._do("install")

    async def enlist(self, agent: Agent) -> None:
        self._do("enlist")
        self.agents[agent.name] = agent

    async def dismiss(self, order: Order, former: Agent | None) -> None:
        if former is None:
            self.agents.pop(order.plan.name, None)
        else:
            self.agents[order.plan.name] = former

    async def release(self, machine_id: str) -> None:
        for machine in await self.the_cloud.owned():
            if machine.id == machine_id:
                await self.the_cloud.delete(machine)

    async def until_settled(self, order: Order) -> Agent:
        self._do("until_settled")
        return replace(self.agents[order.plan.name], state=self.settles)


@dataclass
class Rig:
    house: MemoryHouse
    durable: MemoryDurable

    async def run(self, order: Order = ORDER) -> Any:
        await self.durable.launch()
        await self.durable.start("up", order.deployment, wish_of(order))
        return await self.durable.wait(order.deployment, timeout=10)

    async def nothing_left(self) -> None:
        assert (self.house.folders, self.house.agents, await self.house.the_cloud.owned()) == (set(), {}, [])

    async def all_there_once(self) -> None:
        assert (len(self.house.folders), list(self.house.agents), len(await self.house.the_cloud.owned())) == (
            1, ["demo"], 1,
        )  # fmt: skip


@pytest.fixture
def rig() -> Rig:
    house, durable = MemoryHouse(FakeCloud(OFFER)), MemoryDurable()

    async def saga(steps: Steps, wish: Json) -> Json:
        return await carry_out(steps, wish, house)

    durable.register("up", saga)
    return Rig(house, durable)


async def test_a_plan_becomes_a_machine_code_and_a_running_agent(rig: Rig) -> None:
    status = await rig.run()
    assert status.state is WorkflowState.SUCCEEDED, status.error
    await rig.all_there_once()
    agent = rig.house.agents["demo"]
    assert agent.workload.start == ("python", "main.py") and agent.workload.delivery is Delivery.AT_LEAST_ONCE


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_anywhere_resumes_and_ends_with_everything_once(rig: Rig, step: str, when: When) -> None:
    rig.durable.crash_at(step, when)
    await rig.durable.launch()
    await rig.durable.start("up", ORDER.deployment, wish_of(ORDER))
    async with asyncio.timeout(10):
        await rig.durable.crashed.wait()
    await rig.durable.launch()
    status = await rig.durable.wait(ORDER.deployment, timeout=10)
    assert status.state is WorkflowState.SUCCEEDED, status.error
    await rig.all_there_once()


@pytest.mark.parametrize("what", ["lay_out", "install", "enlist", "until_settled"])
async def test_a_failure_anywhere_leaves_nothing_behind_and_says_what_failed(rig: Rig, what: str) -> None:
    rig.house.fails[what] = StalePlan(f"{what} failed", hint="plan again")
    status = await rig.run()
    assert status.state is WorkflowState.FAILED
    assert status.error is not None and (status.error["type"], status.error["message"]) == (
        "StalePlan",
        f"{what} failed",
    )
    await rig.nothing_left()


async def test_a_crash_while_it_undoes_still_leaves_nothing_behind(rig: Rig) -> None:
    rig.house.fails["until_settled"] = Unhealthy("no")
    rig.durable.crash_at("undo code intent", When.INSIDE)
    await rig.durable.launch()
    await rig.durable.start("up", ORDER.deployment, wish_of(ORDER))
    async with asyncio.timeout(10):
        await rig.durable.crashed.wait()
    await rig.durable.launch()
    assert (await rig.durable.wait(ORDER.deployment, timeout=10)).state is WorkflowState.FAILED
    await rig.nothing_left()


async def test_an_agent_that_does_not_get_healthy_is_removed_and_its_state_named(rig: Rig) -> None:
    rig.house.settles = AgentState.CRASHED
    status = await rig.run()
    assert status.error is not None and status.error["type"] == "Unhealthy" and "'demo'" in status.error["message"]
    await rig.nothing_left()


async def test_the_same_plan_again_starts_nothing_new(rig: Rig) -> None:
    await rig.run()
    made = rig.house.agents["demo"].machine
    await rig.durable.start("up", "dep_2", wish_of(replace(ORDER, deployment="dep_2")))
    assert (await rig.durable.wait("dep_2", timeout=10)).state is WorkflowState.SUCCEEDED
    await rig.all_there_once()
    assert rig.house.agents["demo"].machine == made and rig.house.done.count("lay_out") == 1


async def test_the_same_plan_again_makes_what_is_not_here_any_more(rig: Rig) -> None:
    await rig.run()
    rig.house.image_is_here = False
    await rig.durable.start("up", "dep_2", wish_of(replace(ORDER, deployment="dep_2")))
    assert (await rig.durable.wait("dep_2", timeout=10)).state is WorkflowState.SUCCEEDED
    assert rig.house.done.count("lay_out") == 2
    await rig.all_there_once()


async def test_a_failed_replacement_gives_the_former_agent_back(rig: Rig) -> None:
    await rig.run()
    former = rig.house.agents["demo"]
    rig.house.settles = AgentState.CRASHED
    newer = replace(ORDER, deployment="dep_2", plan=replace(PLAN, id="plan-2"), replace=True)
    await rig.durable.start("up", "dep_2", wish_of(newer))
    assert (await rig.durable.wait("dep_2", timeout=10)).state is WorkflowState.FAILED
    assert rig.house.agents == {"demo": former}
    await rig.all_there_once()


async def test_a_replacement_gives_the_former_machine_back(rig: Rig) -> None:
    await rig.run()
    newer = replace(ORDER, deployment="dep_2", plan=replace(PLAN, id="plan-2"), replace=True)
    await rig.durable.start("up", "dep_2", wish_of(newer))
    assert (await rig.durable.wait("dep_2", timeout=10)).state is WorkflowState.SUCCEEDED
    await rig.all_there_once()
    assert rig.house.agents["demo"].plan == "plan-2"


def test_the_agent_of_an_order_carries_its_environment() -> None:
    agent = agent_of(replace(ORDER, env={"MODE": "fast"}), "m", "/code")
    assert agent.workload.env["MODE"] == "fast" and agent.workload.env["PYTHONPATH"] == ".homeport/site"
