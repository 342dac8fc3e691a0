# SPDX-License-Identifier: Apache-2.0
"""Words of the gateway that its callers read: why there is no answer yet, and what a status is called."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_rig import Rig, Seen, rig, until
from homeport.gateway.core.write import reason

SOURCES = Path(__file__).parents[3] / "src" / "homeport" / "gateway"


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def test_what_is_in_flight_is_said_to_be_with_its_agent_whatever_was_before(gate: Rig) -> None:
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    await gate.routes(gate.route(endpoint="", instance="", ready=False, reason="it is starting"))
    gate.agent.behave = slow
    told = (await gate.call("POST", body=b"x", Prefer="respond-async")).json()
    assert (told["status"], told["reason"]) == ("pending", "it is starting")
    await gate.routes(gate.route())
    await until(lambda: gate.agent.seen)
    told = (await gate.call(path=f"/requests/{told['id']}/response")).json()
    assert (told["status"], told["reason"]) == ("in_flight", "the agent has it")
    go.set()


def test_every_status_of_the_gateway_has_its_name() -> None:
    used = {
        int(status)
        for file in SOURCES.rglob("*.py")
        for status in re.findall(r"(?:Refusal\(|answer\(reply, |status = )(\d{3})\b", file.read_text())
    }
    assert {400, 429, 503, 504} <= used
    assert [status for status in sorted(used) if not reason(status)] == []


async def test_http_2_is_refused_by_its_name(gate: Rig) -> None:
    client = await gate.connect()
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    answer = await client.answer()
    assert (answer.status, answer.json()["error"]["message"]) == (400, "HTTP/2 is not spoken here")


async def test_a_repeat_that_comes_too_early_is_told_where_to_wait_and_that_it_did_not(gate: Rig) -> None:
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    gate.agent.behave = slow
    first = asyncio.create_task(gate.call("POST", body=b"x", Idempotency_Key="k"))
    await until(lambda: gate.agent.seen)
    early = await gate.call("POST", body=b"x", Idempotency_Key="k", Prefer="wait=9")
    assert (early.status, early.get("preference-applied")) == (409, None)
    assert "Location" in early.json()["error"]["hint"]
    waiting = asyncio.create_task(gate.call(path=early.get("location") or "", Prefer="wait=20"))
    go.set()
    assert ((await first).status, (await waiting).json()["state"]) == (200, "completed")
