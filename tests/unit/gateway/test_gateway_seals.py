# SPDX-License-Identifier: Apache-2.0
"""No credential lies in the state folder in clear, and the agent gets each as it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway_rig import Rig, rig

PLANTED = "s3cr3t-plant-7d1f"


@pytest.fixture
async def house(tmp_path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def answer_briefly(house: Rig) -> None:
    """Bodies are kept as they are, so an agent that repeats its URL would show the token in its answer."""

    def brief(_: object, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    house.agent.behave = brief


async def settled(house: Rig) -> None:
    """The answer is in the journal too: it goes there with the next commit."""
    while (await house.control.status())["requests"]["completed"] == 0:
        await asyncio.sleep(0.01)


def on_disk(house: Rig) -> list[str]:
    files = [file for file in house.home.rglob("*") if file.is_file()]
    return [file.name for file in files if PLANTED.encode() in file.read_bytes()]


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "X-Client-Secret"]
)
async def test_a_header_that_by_its_name_holds_a_credential_is_sealed(house: Rig, name: str) -> None:
    answer = await house.call("POST", **{name.replace("-", "_"): f"Bearer {PLANTED}"})
    await settled(house)
    assert answer.status == 200
    assert house.agent.seen[0].get(name.lower()) == [f"Bearer {PLANTED}"]
    shown = await house.control.request(answer.get("x-homeport-request-id") or "")
    assert PLANTED not in str(shown) and on_disk(house) == []


@pytest.mark.parametrize("target", [f"x?a=1&token={PLANTED}&b=2", f"x?q={'y' * 5000}&api_key={PLANTED}"])
async def test_a_token_in_a_url_is_sealed_and_masked_for_people(house: Rig, target: str) -> None:
    answer_briefly(house)
    answer = await house.call("POST", f"/agent/echo/{target}")
    await settled(house)
    assert answer.status == 200 and house.agent.seen[0].target == f"/{target}"
    request_id = answer.get("x-homeport-request-id") or ""
    shown, (listed,) = await house.control.request(request_id), await house.control.requests()
    assert shown["target"] == listed["target"] and listed["target"].startswith("/x?")
    assert PLANTED not in str(shown) + str(listed) and on_disk(house) == []


async def test_a_sealed_target_is_the_same_one_for_its_key(house: Rig) -> None:
    calls = [await house.call("POST", f"/agent/echo/x?token={PLANTED}", Idempotency_Key="k") for _ in range(2)]
    assert calls[1].get("idempotent-replayed") == "true" and len(house.agent.seen) == 1
