# SPDX-License-Identifier: Apache-2.0
"""Every refusal in the gateway's own name is in its metrics, whichever part of it refused."""

from __future__ import annotations

import asyncio

import pytest

from gateway_rig import Rig, request, rig, until

REFUSED = "homeport_gateway_refused_total"


@pytest.fixture
async def house(tmp_path):
    async with rig(tmp_path) as made:
        yield made


async def counted(house: Rig) -> dict[str, int]:
    """How many so far, by code."""
    lines = [line for line in (await house.control.metrics()).splitlines() if line.startswith(REFUSED + "{")]
    return {line.partition('code="')[2][:3]: int(float(line.rpartition(" ")[2])) for line in lines}


async def test_an_unknown_request_and_a_wrong_method_are_counted(house: Rig) -> None:
    assert (await house.call(path="/requests/req_nothing")).status == 404
    assert (await house.call("POST", path="/requests/req_nothing")).status == 405
    assert (await house.call(path="/nowhere")).status == 404
    assert await counted(house) == {"404": 2, "405": 1}


async def test_a_key_used_for_something_else_is_counted_and_says_what_holds_it(house: Rig) -> None:
    first = await house.call("POST", body=b"one", Idempotency_Key="k")
    again = await house.call("POST", body=b"two", Idempotency_Key="k")
    assert (again.status, again.json()["id"]) == (422, first.get("x-homeport-request-id"))
    assert again.json()["status"] == "completed"
    assert await counted(house) == {"422": 1}


async def test_a_repeat_of_what_is_still_under_way_is_counted_and_says_where_to_look(house: Rig) -> None:
    go_on = asyncio.Event()

    async def behave(*_: object) -> bool:
        await go_on.wait()
        return False

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("POST", body=b"one", Idempotency_Key="k"))
    await until(lambda: house.agent.seen)
    again = await house.call("POST", body=b"one", Idempotency_Key="k")
    go_on.set()
    assert (again.status, again.json()["status"]) == (409, "in_flight")
    assert again.get("location") == f"/requests/{again.json()['id']}"
    assert (await client.answer()).status == 200
    assert await counted(house) == {"409": 1}


async def test_a_stream_that_cannot_go_on_is_counted_once(house: Rig) -> None:
    done = await house.call()
    path = f"/requests/{done.get('x-homeport-request-id')}/response"
    assert (await house.call(path=path, Last_Event_ID="7")).status == 409
    assert await counted(house) == {"409": 1}


async def test_a_backlog_goes_out_in_fewer_commits_than_requests(house: Rig) -> None:
    await house.routes(house.route(ready=False))
    for _ in range(32):
        assert (await house.call("POST", Prefer="respond-async")).status == 202
    go_on = asyncio.Event()

    async def behave(*_: object) -> bool:
        await go_on.wait()
        return False

    house.agent.behave = behave
    before = await commits(house)
    await house.routes(house.route(concurrency=32))
    await until(lambda: len(house.agent.seen) == 32)
    assert await commits(house) - before <= 8
    go_on.set()


async def commits(house: Rig) -> int:
    name = "homeport_gateway_journal_sync_duration_seconds_count "
    [line] = [line for line in (await house.control.metrics()).splitlines() if line.startswith(name)]
    return int(float(line.rpartition(" ")[2]))
