# SPDX-License-Identifier: Apache-2.0
"""The story of Homeport, in the order in which it happens.

    source ─► analyze ─► plan ─► provision ─► run ─► gateway ─► watch ─► heal

Each stage is a function between two records and knows no other stage. Here they are put in a row; what they need
from the world comes in as interfaces, so this file runs the same on a laptop, in a cloud and in a test.
The gateway is a process of its own: run tells it where agents are (`model.route`), and it does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from homeport.analyze import explain_no_start
from homeport.errors import Unhealthy
from homeport.heal.restarts import History, decide
from homeport.interfaces.durable import Json, Steps
from homeport.interfaces.house import House
from homeport.look import judge
from homeport.model.advice import Advised, Pick
from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.finding import Action
from homeport.model.limits import Limits
from homeport.model.order import Order
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.systemimage import SystemImage
from homeport.plan import builds, make_plan
from homeport.provision import provision
from homeport.run.workload import install_job, workload_of
from homeport.watch.findings import agent_down

# ── source → analyze ─────────────────────────────────────────────────────────────────────────────────────────────
#    The first step stands in `look`, so that whoever only looks loads nothing of the others.
__all__ = ["agent_of", "carry_out", "check_start", "judge", "mend", "propose", "wish_of"]


# ── → plan ───────────────────────────────────────────────────────────────────────────────────────────────────────
def propose(
    source: Source,
    requirements: Requirements,
    offers: Sequence[Offer],
    images: Sequence[SystemImage] = (),
    *,
    name: str,
    now_us: int,
    hours: float | None = None,
    overrides: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
    picks: Sequence[Pick] = (),
    advised: Sequence[Advised] = (),
    network: str = "",
    key: str = "",
    runtime: str = "auto",
    engine: str = "",
) -> Plan:
    """A choice with its price, and why each other lost; the words mean what they mean in `plan.make_plan`.

    `picks` are what the user's selectors, or a model, would choose. Raises `NoCapacity` where it fits
    nowhere within the limits.
    """
    return make_plan(
        source, requirements, offers, images=images, name=name, now_us=now_us, hours=hours, overrides=overrides,
        limits=limits, picks=picks, advised=advised, network=network, key=key, runtime=runtime, engine=engine,
    )  # fmt: skip


def check_start(plan: Plan) -> None:
    """Before anything is done. Raises `NoStartCommand`: it can be planned and priced, and says nowhere how it runs."""
    needs = plan.requirements
    if needs.start is None and needs.image is None and not builds(needs, plan.runtime):
        raise explain_no_start(needs)


# ── → provision → run ────────────────────────────────────────────────────────────────────────────────────────────
async def carry_out(steps: Steps, wish: Json, house: House) -> Json:
    """Make the plan real, durably: a crash resumes at the step under way, a failure undoes what was done.

    An intent is recorded before each step that creates, and carries its undo, so that nothing half-made is forgotten.
    """
    order: Order = from_builtins(wish, Order)

    async def look() -> Json:
        former = await house.former(order)
        return {"agent": to_builtins(former), "runs": former is not None and await house.has_image(former)}

    found = await steps.step("look", look)
    former = None if found["agent"] is None else from_builtins(found["agent"], Agent)
    if former is not None and former.plan == order.plan.id and found.get("runs", True):
        machine, code, image = former.machine, former.workload.code, former.workload.image
    else:
        machine, code, image = await _prepare(steps, order, house)

    async def intend() -> Json:
        return {}

    async def dismiss(_: Json) -> None:
        await house.dismiss(order, former)

    async def enlist() -> Json:
        await house.enlist(agent_of(order, machine, code, image))
        return {}

    async def ready() -> Json:
        agent = await house.until_settled(order)
        if agent.state is not AgentState.RUNNING:
            raise Unhealthy(
                f"agent {agent.name!r} did not become healthy: {agent.detail or agent.state}",
                operation="up", subject=agent.name,
                hint="its last lines are above; another command goes with --start, another path with --health",
            )  # fmt: skip
        return {}

    await steps.step("agent intent", intend, undo=dismiss)
    await steps.step("agent", enlist)
    await steps.step("ready", ready)
    if former is not None and former.machine != machine:
        left = former.machine

        async def release() -> Json:
            await house.release(left)
            return {}

        await steps.step("release", release)
    return {"agent": order.plan.name, "agent_id": order.agent_id, "machine": machine}


async def _prepare(steps: Steps, order: Order, house: House) -> tuple[str, str, str]:
    """A machine, and on it the code with its dependencies or the image that has both; their ids."""
    plan = order.plan
    cloud = house.cloud(plan.chosen.cloud)
    machine = await provision(plan, cloud, steps, namespace=order.namespace, name=plan.name)

    async def intend() -> Json:
        return {}

    async def clear(_: Json) -> None:
        await house.clear(order)

    async def lay_out() -> Json:
        return {"code": await house.lay_out(order)}

    async def obtain() -> Json:
        return {"image": await house.obtain_image(order, code)}

    await steps.step("code intent", intend, undo=clear)
    code: str = ""
    if plan.requirements.image is None:
        code = (await steps.step("code", lay_out))["code"]
    if plan.requirements.image is not None or builds(plan.requirements, plan.runtime):
        image: str = (await steps.step("image", obtain))["image"]
        return machine.id, "", image
    job = install_job(plan.requirements, code=code, python=house.python_of(plan.runtime), runtime=plan.runtime)
    if job is not None:

        async def install() -> Json:
            await house.install(order, job)
            return {}

        await steps.step("install", install)
    return machine.id, code, ""


def agent_of(order: Order, machine: str, code: str, image: str = "") -> Agent:
    """The record of the agent that the order asks for, wanted running."""
    workload = workload_of(
        order.plan.requirements, code=code, image=image, runtime=order.plan.runtime,
        env=order.env, secrets=order.secrets,
    )  # fmt: skip
    return Agent(
        id=order.agent_id,
        namespace=order.namespace,
        name=order.plan.name,
        desired=Desired.RUNNING,
        state=AgentState.CREATED,
        workload=workload,
        source=order.plan.source,
        machine=machine,
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
