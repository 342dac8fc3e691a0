# SPDX-License-Identifier: Apache-2.0
"""A plan becomes one machine, whatever dies or fails on the way, and none is left behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.errors import Conflict, NoCapacity, Unavailable
from homeport.interfaces.durable import WorkflowState
from homeport.model.evidence import Inferred, Origin
from homeport.model.money import FREE
from homeport.model.plan import Plan
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Delivery
from homeport.provision import TAG, owner_tag, provision
from homeport.testing.clouds import OFFER, Call, FakeCloud
from homeport.testing.durables import MemoryDurable, When

PLAN = Plan(
    id="0" * 64,
    name="billing",
    source=Source(SourceKind.FOLDER, "billing", digest="0" * 64),
    requirements=Requirements(
        ecosystem=Inferred(Ecosystem.PYTHON, Origin.DEFAULT),
        start=None,
        runtime_version=None,
        port=None,
        health_path=None,
        memory_bytes=Inferred(1, Origin.DEFAULT),
        gpu=Inferred(GpuNeed.NO, Origin.DEFAULT),
        delivery=Inferred(Delivery.EXACT_OR_DEAD, Origin.DEFAULT),
        honours_keys=Inferred(False, Origin.DEFAULT),
    ),
    chosen=OFFER,
    hours=0,
    total=FREE,
    candidates=(),
    steps=(),
)


@pytest.fixture
async def world():
    cloud, durable = FakeCloud(), MemoryDurable()

    async def saga(steps, input):
        machine = await provision(PLAN, cloud, steps, namespace="team", name="billing")
        if input.get("then") == "fail":
            raise Conflict("the next step fails")
        return {"machine": machine.id}

    durable.register("up.v1", saga)
    await durable.launch()
    yield cloud, durable
    await durable.close()


async def test_a_plan_becomes_one_machine_with_our_tag(world):
    cloud, durable = world
    await durable.start("up.v1", "dep_1", {})
    status = await durable.wait("dep_1", 30)
    assert status.result == {"machine": cloud.machines[0].id}
    [machine] = cloud.machines
    assert (machine.owner_tag, machine.namespace) == (owner_tag("team", "dep_1"), "team")


@pytest.mark.parametrize("step", ["machine intent", "machine"])
@pytest.mark.parametrize("when", list(When))
async def test_a_crash_at_any_point_leads_to_one_machine_after_the_rerun(world, step, when):
    cloud, durable = world
    durable.crash_at(step, when)
    await durable.start("up.v1", "dep_1", {})
    await durable.crashed.wait()
    await durable.launch()
    assert (await durable.wait("dep_1", 30)).state is WorkflowState.SUCCEEDED
    assert len(cloud.machines) == 1 and cloud.calls.count(Call.CREATE) == 1


async def test_a_later_failure_gives_the_machine_back(world):
    cloud, durable = world
    await durable.start("up.v1", "dep_1", {"then": "fail"})
    status = await durable.wait("dep_1", 30)
    assert status.error is not None and status.error["type"] == "Conflict"
    assert cloud.machines == []


@pytest.mark.parametrize("when", list(When))
async def test_a_crash_while_giving_back_leaves_nothing_either(world, when):
    cloud, durable = world
    durable.crash_at("undo machine intent", when)
    await durable.start("up.v1", "dep_1", {"then": "fail"})
    await durable.crashed.wait()
    await durable.launch()
    assert (await durable.wait("dep_1", 30)).state is WorkflowState.FAILED
    assert cloud.machines == []


async def test_a_machine_that_the_cloud_made_without_saying_so_is_not_left_behind(world):
    cloud, durable = world
    cloud.fail(Call.CREATE, Unavailable("time-out"), after=True)
    await durable.start("up.v1", "dep_1", {})
    status = await durable.wait("dep_1", 30)
    assert status.error is not None and status.error["message"] == "time-out"
    assert cloud.machines == []


async def test_a_machine_that_cannot_be_given_back_is_named_in_the_error(world):
    cloud, durable = world
    cloud.fail(Call.DELETE, Unavailable("the cloud is away"), times=3)
    await durable.start("up.v1", "dep_1", {"then": "fail"})
    status = await durable.wait("dep_1", 30)
    assert status.error is not None
    assert status.error["message"] == (
        "the next step fails; and not undone: machine intent: the cloud is away (Unavailable)"
    )


async def test_no_capacity_is_said_as_such(world):
    cloud, durable = world
    cloud.fail(Call.CREATE, NoCapacity("quota reached"))
    await durable.start("up.v1", "dep_1", {})
    status = await durable.wait("dep_1", 30)
    assert status.error is not None and status.error["type"] == "NoCapacity"


@given(st.text(), st.text(), st.text(), st.text())
def test_tags_are_twelve_hex_digits_and_differ_by_namespace_and_workflow(ns_a, id_a, ns_b, id_b):
    a, b = owner_tag(ns_a, id_a), owner_tag(ns_b, id_b)
    assert TAG.fullmatch(a) and a == owner_tag(ns_a, id_a)
    if "\0" not in ns_a + id_a + ns_b + id_b:
        assert (a == b) == ((ns_a, id_a) == (ns_b, id_b))
