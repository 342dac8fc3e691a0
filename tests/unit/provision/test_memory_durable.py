# SPDX-License-Identifier: Apache-2.0
"""The Durable in memory dies and resumes as a real one does."""

from __future__ import annotations

import asyncio

import pytest

from homeport.errors import Unavailable
from homeport.interfaces.durable import WorkflowState
from homeport.testing.conformance.durable import Ledger
from homeport.testing.durables import MemoryDurable, When


def up(ledger):
    async def saga(steps, input):
        for name in "abc":
            await steps.step(name, ledger.act(name), undo=ledger.undo)
        if input.get("fail"):
            raise Unavailable("at the end")
        return {}

    return saga


@pytest.mark.parametrize(
    ("step", "when", "ran"),
    [
        ("b", When.BEFORE, ["a", "b", "c"]),
        ("b", When.INSIDE, ["a", "b", "b", "c"]),
        ("b", When.AFTER, ["a", "b", "c"]),
    ],
)
async def test_only_the_step_that_died_before_its_record_runs_again(step, when, ran):
    ledger, durable = Ledger(), MemoryDurable()
    durable.register("up.v1", up(ledger))
    durable.crash_at(step, when)
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    await durable.crashed.wait()
    with pytest.raises(Unavailable):
        await durable.wait("wf_1")
    await durable.launch()
    assert (await durable.wait("wf_1", 30)).state is WorkflowState.SUCCEEDED
    assert ledger.lines == ran
    await durable.close()


async def test_what_was_recorded_as_undone_is_not_undone_again():
    ledger, durable = Ledger(), MemoryDurable()
    durable.register("up.v1", up(ledger))
    durable.crash_at("undo b", When.AFTER)
    await durable.launch()
    await durable.start("up.v1", "wf_1", {"fail": True})
    await durable.crashed.wait()
    await durable.launch()
    assert (await durable.wait("wf_1", 30)).state is WorkflowState.FAILED
    assert ledger.lines == ["a", "b", "c", "undo c", "undo b", "undo a"]
    await durable.close()


async def test_closing_in_the_middle_of_a_step_leaves_it_to_the_next_launch():
    ledger, durable, go = Ledger(), MemoryDurable(), asyncio.Event()

    async def saga(steps, input):
        async def act():
            ledger.lines.append("a")
            await go.wait()
            return {}

        return await steps.step("a", act)

    durable.register("up.v1", saga)
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    async with asyncio.timeout(30):
        while not ledger.lines:
            await asyncio.sleep(0)
    await durable.close()
    go.set()
    await durable.launch()
    assert (await durable.wait("wf_1", 30)).state is WorkflowState.SUCCEEDED
    assert ledger.lines == ["a", "a"]
    await durable.close()
