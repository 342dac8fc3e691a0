# SPDX-License-Identifier: Apache-2.0
"""A name can be given to another agent: what was meant for the first stays with the first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway_rig import Rig, Seen, rig, until
from homeport.errors import Conflict


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def state_of(house: Rig, request_id: str) -> str:
    return str((await house.control.request(request_id))["state"])


async def test_a_new_agent_of_the_name_does_not_get_what_was_pending_for_a_removed_one(house: Rig) -> None:
    await house.routes(house.route(ready=False))
    old = (await house.call("POST")).json()["id"]
    await house.routes(house.route(agent_id="agt_2", instance="ins_2"))  # both changes in one table

    async def dead() -> bool:
        return await state_of(house, old) == "dead"

    await until(dead)
    shown = await house.control.request(old)
    assert "removed" in shown["outcome"] and house.agent.seen == []
    assert (await house.call("POST")).status == 200, "the new agent gets its own"


async def test_a_new_agent_of_the_name_does_not_answer_with_what_a_removed_one_said(house: Rig) -> None:
    assert (await house.call("POST", body=b"a", Idempotency_Key="k")).json()["n"] == 1
    await house.routes(house.route(agent_id="agt_2", instance="ins_2"))
    again = await house.call("POST", body=b"a", Idempotency_Key="k")
    assert again.json()["n"] == 2 and again.get("idempotent-replayed") is None


async def test_what_was_in_flight_to_an_agent_that_is_removed_ends_as_a_dead_letter(house: Rig) -> None:
    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(60)
        return True

    house.agent.behave = behave
    waiting = asyncio.create_task(house.call("GET", Prefer="wait=60"))
    await until(lambda: house.agent.seen)
    await house.routes()
    answer = await waiting
    assert answer.status == 502 and "removed" in answer.json()["error"]["message"]
    assert await state_of(house, answer.json()["id"]) == "dead"


async def test_what_was_for_a_removed_agent_is_not_taken_to_be_sent_again(house: Rig) -> None:
    old = (await house.call("POST")).get("x-homeport-request-id") or ""
    for there_is in ((), (house.route(agent_id="agt_2", instance="ins_2"),)):
        await house.routes(*there_is)
        with pytest.raises(Conflict, match="its agent, echo, was removed"):
            await house.control.replay(old)
        assert await state_of(house, old) == "completed"
