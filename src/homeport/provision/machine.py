# SPDX-License-Identifier: Apache-2.0
"""One machine, never two and never a forgotten one."""

from __future__ import annotations

from homeport.interfaces.cloud import Cloud
from homeport.interfaces.durable import Json, Steps
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.machine import Machine
from homeport.model.plan import Plan
from homeport.provision.tags import owner_tag


async def provision(plan: Plan, cloud: Cloud, steps: Steps, *, namespace: str, name: str) -> Machine:
    """The machine that `plan.chosen` promises, in two steps: the intent, then the machine.

    The undo belongs to the intent: when `create` fails without saying whether it did create something, the intent
    is already on record, and undoing it deletes whatever carries the tag. A rerun adopts what the tag finds.
    Raises what the cloud raises: `NoCapacity`, `Denied`, `Unavailable`.
    """
    tag = owner_tag(namespace, steps.id)

    async def intend() -> Json:
        return {"owner_tag": tag, "cloud": plan.chosen.cloud, "machine_type": plan.chosen.machine_type}

    async def release(intent: Json) -> None:
        machine = await cloud.find(intent["owner_tag"])
        if machine is not None:
            await cloud.delete(machine)

    async def obtain() -> Json:
        machine = await cloud.find(tag)
        if machine is None:
            machine = await cloud.create(plan.chosen, namespace=namespace, owner_tag=tag, name=name)
        record: Json = to_builtins(machine)
        return record

    await steps.step("machine intent", intend, undo=release)
    machine: Machine = from_builtins(await steps.step("machine", obtain), Machine)
    return machine
