# SPDX-License-Identifier: Apache-2.0
"""The short way under faults: commits on the loop's own thread, and requests forwarded before they are kept."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest

from faulty_disk import Faults
from gateway_process import GatewayProcess, gateway_process
from gateway_rig import Seen, request, until
from homeport.model.workload import DeliveryPolicy, Durability

RELAXED = DeliveryPolicy(durability=Durability.RELAXED)


def post(name: str, **headers: str) -> bytes:
    return request("POST", f"/agent/echo/{name}", b"x" * 100, token="", **headers)


async def warm(process: GatewayProcess) -> None:
    """So many commits that a quick disk is known to be one."""
    client = await process.connect()
    for n in range(120):
        client.send(post(f"warm-{n}"))
        assert (await client.answer()).status == 200
    client.close()


@pytest.mark.parametrize("fault", ["sync", "write"])
async def test_a_disk_that_was_quick_and_fails_promises_nothing_and_is_well_again(tmp_path: Path, fault: str) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        await warm(process)
        if fault == "sync":
            faults.set(sync_errno=errno.EIO)
        else:
            faults.set(write_errno=errno.EROFS)
        told = await asyncio.gather(*(process.call(post(f"lost-{n}")) for n in range(8)))
        assert {answer.status for answer in told} == {507}
        faults.set()
        assert (await process.call(post("after"))).status == 200
        assert not [seen.target for seen in agent.seen if "lost" in seen.target]
        assert not [target for target in await process.states() if "lost" in target]
        assert await until_completed(process)


async def test_a_disk_that_was_quick_and_stalls_holds_up_nobody_who_needs_no_disk_for_long(tmp_path: Path) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ) as (process, agent):
        await warm(process)
        faults.set(sync_ms=300)
        assert (await process.call(post("first"))).status == 200  # the loop waited for this one
        held = await process.connect()
        held.send(post("second"))
        assert await process.answers()
        assert (await held.answer()).status == 200
        held.close()
        faults.set()
        assert [seen.target for seen in agent.seen][-2:] == ["/first", "/second"]


async def test_a_client_that_leaves_while_it_is_answered_changes_nothing(tmp_path: Path) -> None:
    async with gateway_process(tmp_path) as (process, agent):
        taken, go_on = asyncio.Event(), asyncio.Event()

        async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
            taken.set()
            await go_on.wait()
            return False

        await warm(process)
        agent.behave = behave
        client = await process.connect()
        client.send(post("left"))
        await taken.wait()
        client.close()
        go_on.set()
        assert await until_completed(process)
        assert (await process.states())["/left"] == "completed"


async def test_of_relaxed_durability_it_is_answered_while_nothing_can_be_kept_unless_it_has_a_key(
    tmp_path: Path,
) -> None:
    faults = Faults(tmp_path)
    async with gateway_process(tmp_path, environ=faults.environ, policy=RELAXED) as (process, agent):
        await warm(process)
        faults.set(write_errno=errno.EROFS)
        assert (await process.call(post("forwarded"))).status == 200
        assert (await process.call(post("keyed", Idempotency_Key="k"))).status == 507
        faults.set()
        assert (await process.call(post("after"))).status == 200
        assert await until_completed(process)
        states = await process.states()
        assert "/after" in states
        assert "/keyed" not in states
        assert "/forwarded" not in states
        assert [seen.target for seen in agent.seen if "warm" not in seen.target] == ["/forwarded", "/after"]
        assert "Traceback" not in process.said()


async def test_of_relaxed_durability_all_is_kept_when_the_gateway_ends_in_order(tmp_path: Path) -> None:
    async with gateway_process(tmp_path, policy=RELAXED) as (process, _):
        await warm(process)
        answers = await asyncio.gather(*(process.call(post(f"last-{n}")) for n in range(16)))
        assert {answer.status for answer in answers} == {200}
        await process.end(15)
        await process.start()
        states = await process.states()
        assert set(states.values()) == {"completed"}
        assert len([target for target in states if "last" in target]) == 16


async def test_of_relaxed_durability_a_dead_agent_is_no_reason_to_lose_a_request(tmp_path: Path) -> None:
    async with gateway_process(tmp_path, policy=RELAXED) as (process, agent):
        await agent.stop()
        told = await process.call(post("waits"))
        assert told.status == 202
        await agent.start()

        async def answered() -> Any:
            return (await process.states())["/waits"] == "completed"

        await until(answered)
        assert [seen.target for seen in agent.seen] == ["/waits"]


async def until_completed(process: GatewayProcess) -> bool:
    async def settled() -> bool:
        return set((await process.states()).values()) == {"completed"}

    await until(settled)
    return True
