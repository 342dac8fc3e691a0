# SPDX-License-Identifier: Apache-2.0
"""The story of Homeport, in the order in which it happens.

    source ─► analyze ─► plan ─► provision ─► run ─► gateway ─► watch ─► heal

Each stage is a function between two records and knows no other stage. Here they are put in a row; what they need
from the world comes in as interfaces, so this file runs the same on a laptop, in a cloud and in a test.
The gateway is a process of its own: run tells it where agents are (`model.route`), and it does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from homeport.analyze import analyze, explain_no_start
from homeport.errors import Unhealthy
from homeport.heal.restarts import History, decide
from homeport.interfaces.cloud import Cloud
from homeport.interfaces.durable import Json, Steps
from homeport.interfaces.fetcher import Fetcher, Progress
from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.finding import Action
from homeport.model.machine import Machine
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.workload import Workload
from homeport.plan import make_plan
from homeport.provision import provision
from homeport.run.workload import install_job, workload_of
from homeport.watch.findings import agent_down


# ── source → analyze ─────────────────────────────────────────────────────────────────────────────────────────────
async def judge(
    locator: str, fetcher: Fetcher, *, ref: str = "", progress: Progress | None = None
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """Read the source once, within bounds, and say what it needs; and what was left out of the view, and why."""
    view = await fetcher.fetch(locator, ref=ref, progress=progress)
    try:
        return view.source, analyze(view), view.skipped
    finally:
        view.close()


# ── → plan ───────────────────────────────────────────────────────────────────────────────────────────────────────
def propose(
    source: Source,
    requirements: Requirements,
    offers: Sequence[Offer],
    *,
    name: str,
    hours: float,
    now_us: int,
    overrides: Mapping[str, str],
) -> Plan:
    """A choice with its price. Raises `NoStartCommand`, or `NoCapacity` where it fits nowhere."""
    plan = make_plan(source, requirements, offers, name=name, hours=hours, now_us=now_us, overrides=overrides)
    if plan.requirements.start is None:
        raise explain_no_start(plan.requirements)
    return plan


# ── → provision → run ────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Order:
    """One wish to make a plan real. JSON through and through, since it must survive a crash."""

    deployment: str
    namespace: str
    agent_id: str
    plan: Plan
    env: dict[str, str] = field(default_factory=dict)
    replace: bool = False


class House(Protocol):
    """What carrying out an order needs from the app. Every method may be repeated after a crash."""

    python: str
    """The interpreter that installs Python dependencies."""

    def cloud(self, name: str) -> Cloud: ...

    async def lay_out(self, order: Order) -> str:
        """The planned state of the source as a folder, whole or not at all. Raises `StalePlan`."""
        ...

    async def clear(self, order: Order, code: str) -> None:
        """Remove that folder."""
        ...

    async def install(self, order: Order, job: Workload) -> None:
        """Run the one-off to its end. Raises `Unhealthy` with its last lines where it fails."""
        ...

    async def enlist(self, order: Order, agent: Agent) -> Json:
        """Create the agent, or give the one of this name its new workload; returns what `dismiss` needs."""
        ...

    async def dismiss(self, order: Order, before: Json) -> None:
        """Undo `enlist`: remove the agent, or give it back its former workload."""
        ...

    async def until_settled(self, order: Order) -> Agent:
        """The agent once it is running, crashed, stopped or gone; with its last log lines in `detail` if it failed."""
        ...


async def carry_out(steps: Steps, wish: Json, house: House) -> Json:
    """Make the plan real, durably: a crash resumes at the step under way, a failure undoes what was done."""
    order: Order = from_builtins(wish, Order)
    plan = order.plan

    machine = await provision(plan, house.cloud(plan.chosen.cloud), steps, namespace=order.namespace, name=plan.name)

    async def lay_out() -> Json:
        return {"code": await house.lay_out(order)}

    async def clear(laid: Json) -> None:
        await house.clear(order, laid["code"])

    code: str = (await steps.step("code", lay_out, undo=clear))["code"]

    job = install_job(plan.requirements, code=code, python=house.python)
    if job is not None:

        async def install() -> Json:
            await house.install(order, job)
            return {}

        await steps.step("install", install)

    async def enlist() -> Json:
        return await house.enlist(order, agent_of(order, machine, code))

    async def dismiss(before: Json) -> None:
        await house.dismiss(order, before)

    await steps.step("agent", enlist, undo=dismiss)

    async def ready() -> Json:
        agent = await house.until_settled(order)
        if agent.state is not AgentState.RUNNING:
            raise Unhealthy(
                f"agent {agent.name!r} did not become healthy: {agent.detail or agent.state}",
                operation="up",
                subject=agent.name,
                hint="see what it printed above; say another command with --start, or another path with --health",
            )
        return {"agent": agent.name}

    await steps.step("ready", ready)
    return to_builtins({"agent": plan.name, "agent_id": order.agent_id, "machine": machine.id})  # type: ignore[no-any-return]


def agent_of(order: Order, machine: Machine, code: str) -> Agent:
    """The record of the agent that the order asks for, wanted running."""
    return Agent(
        id=order.agent_id,
        namespace=order.namespace,
        name=order.plan.name,
        desired=Desired.RUNNING,
        state=AgentState.CREATED,
        workload=workload_of(order.plan.requirements, code=code, env=order.env),
        source=order.plan.source,
        machine=machine.id,
        plan=order.plan.id,
    )


# ── watch → heal ─────────────────────────────────────────────────────────────────────────────────────────────────
def mend(
    agent: Agent, cause: str, exit_: Exit | None, history: History, *, healthy_s: float, at_us: int
) -> tuple[Action, History]:
    """An agent is down: what was seen becomes a finding, the finding an action. The app carries it out."""
    finding = agent_down(agent.namespace, agent.name, cause, exit_, at_us)
    return decide(finding, agent.workload.restart, history, healthy_s)


def wish_of(order: Order) -> dict[str, Any]:
    """The order as the durable engine keeps it."""
    return to_builtins(order)  # type: ignore[no-any-return]
