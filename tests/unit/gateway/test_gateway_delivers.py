# SPDX-License-Identifier: Apache-2.0
"""What becomes of requests whose agent is away, dies, or is asked twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway_rig import Answer, Rig, Seen, request, rig, until
from homeport.model.workload import Delivery


@pytest.fixture
async def house(tmp_path):
    async with rig(tmp_path) as made:
        yield made


def die_first(times: int = 1) -> Any:
    """Takes the request, then drops the connection; answers from then on."""
    left = [times]

    def behave(seen: Seen, writer: asyncio.StreamWriter) -> object:
        if left[0]:
            left[0] -= 1
            return "bye"
        return False

    return behave


async def state_of(house: Rig, request_id: str) -> str:
    return str((await house.control.request(request_id))["state"])


async def fetched(house: Rig, request_id: str) -> Answer:
    return await house.call(path=f"/requests/{request_id}/response", Prefer="wait=20")


async def test_an_agent_that_is_not_ready_gets_the_request_later(house: Rig) -> None:
    await house.routes(house.route(endpoint="", instance="", ready=False, reason="it is starting"))
    answer = await house.call("POST", body=b"later")
    told = answer.json()
    assert answer.status == 202
    assert told["status"] == "pending"
    assert told["reason"] == "it is starting"
    assert answer.get("location") == told["status_url"] == f"/requests/{told['id']}"
    assert (await house.call(path=told["status_url"])).json()["state"] == "pending"
    assert (await house.call(path=f"/requests/{told['id']}/response")).status == 202
    await house.routes(house.route())
    late = await fetched(house, told["id"])
    assert (late.status, late.json()["bytes"]) == (200, 5)


async def test_an_agent_that_refuses_the_connection_gets_it_once_it_listens(house: Rig) -> None:
    await house.agent.stop()
    answer = await house.call("POST", body=b"abc")
    assert answer.status == 202
    await house.agent.start()
    assert (await fetched(house, answer.json()["id"])).json()["bytes"] == 3
    assert len(house.agent.seen) == 1
    assert (await house.control.request(answer.json()["id"]))["attempts"] == 1


async def test_a_caller_may_wait_for_an_agent_that_is_away(house: Rig) -> None:
    await house.routes(house.route(ready=False))
    client = await house.connect()
    client.send(request("POST", body=b"abc", Prefer="wait=20"))
    await until(lambda: _pending(house))
    await house.routes(house.route())
    answer = await client.answer()
    assert (answer.status, answer.get("preference-applied")) == (200, "wait=20")
    assert answer.json()["bytes"] == 3


async def _pending(house: Rig) -> int:
    return int((await house.control.status())["pending"])


async def test_a_wait_that_ends_without_an_answer_ends_with_a_promise(house: Rig) -> None:
    await house.routes(house.route(ready=False))
    answer = await house.call("POST", body=b"abc", Prefer="wait=1")
    assert (answer.status, answer.get("preference-applied")) == (202, "wait=1")


async def test_a_slow_agent_and_a_short_wait_make_a_promise_that_is_kept(house: Rig) -> None:
    go_on = asyncio.Event()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go_on.wait()
        return False

    house.agent.behave = behave
    answer = await house.call("POST", body=b"abc", Prefer="wait=1")
    assert (answer.status, answer.json()["status"]) == (202, "in_flight")
    go_on.set()
    assert (await fetched(house, answer.json()["id"])).json()["bytes"] == 3
    assert len(house.agent.seen) == 1


async def test_a_post_whose_agent_died_is_a_dead_letter_and_never_sent_twice(house: Rig) -> None:
    house.agent.behave = die_first()
    answer = await house.call("POST", body=b"abc")
    assert answer.status == 502
    request_id = answer.json()["id"]
    assert answer.json()["status"] == "dead"
    assert "outcome unknown" in answer.json()["error"]["message"]
    assert await state_of(house, request_id) == "dead"
    assert len(house.agent.seen) == 1
    assert (await house.control.replay(request_id))["state"] == "pending"
    assert (await fetched(house, request_id)).json()["n"] == 2


@pytest.mark.parametrize(
    ("method", "headers", "route"),
    [
        ("GET", {}, {}),
        ("PUT", {}, {}),
        ("POST", {"Idempotency_Key": "k1"}, {"honours_keys": True}),
        ("POST", {}, {"delivery": Delivery.AT_LEAST_ONCE}),
    ],
)
async def test_what_may_be_repeated_is_answered_on_the_same_connection(
    house: Rig, method: str, headers: dict[str, str], route: dict[str, Any]
) -> None:
    await house.routes(house.route(**route))
    house.agent.behave = die_first()
    answer = await house.call(method, body=b"abc", **headers)
    assert (answer.status, answer.json()["n"]) == (200, 2)
    assert [seen.get("x-homeport-fence") for seen in house.agent.seen] == [["1"], ["2"]]
    ids = {seen.get("x-homeport-request-id")[0] for seen in house.agent.seen}
    assert ids == {answer.get("x-homeport-request-id")}


async def test_a_request_that_kills_its_agent_again_and_again_is_given_up(house: Rig) -> None:
    house.agent.behave = die_first(100)
    answer = await house.call("GET")
    assert answer.status == 502
    assert "given up after 5 attempts" in answer.json()["error"]["message"]
    assert len(house.agent.seen) == 5


async def test_an_instance_that_is_replaced_answers_nothing_any_more(house: Rig) -> None:
    started = asyncio.Event()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        started.set()
        await asyncio.sleep(3600)
        return True

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("GET"))
    await started.wait()
    house.agent.behave = None
    await house.routes(house.route(instance="ins_2"))
    answer = await client.answer()
    assert (answer.status, answer.json()["n"]) == (200, 2)
    for task in asyncio.all_tasks():
        if "_client" in repr(task.get_coro()):
            task.cancel()


async def test_requests_of_a_removed_agent_become_dead_letters(house: Rig) -> None:
    await house.routes(house.route(ready=False))
    request_id = (await house.call("POST")).json()["id"]
    await house.routes()
    assert await state_of(house, request_id) == "dead"


async def test_the_same_key_gives_the_same_answer_and_one_execution(house: Rig) -> None:
    first = await house.call("POST", body=b"abc", Idempotency_Key="order-1")
    again = await house.call("POST", body=b"abc", Idempotency_Key="order-1")
    assert first.body == again.body
    assert again.get("idempotent-replayed") == "true"
    assert first.get("idempotent-replayed") is None
    other = await house.call("POST", body=b"abd", Idempotency_Key="order-1")
    assert other.status == 422
    assert len(house.agent.seen) == 1
    assert (await house.call("POST", body=b"abd", Idempotency_Key="order-2")).json()["n"] == 2


async def test_a_duplicate_of_what_is_in_flight_is_a_409(house: Rig) -> None:
    go_on = asyncio.Event()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go_on.wait()
        return False

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("POST", body=b"abc", Idempotency_Key="order-1"))
    await until(lambda: house.agent.seen)
    duplicate = await house.call("POST", body=b"abc", Idempotency_Key="order-1")
    assert duplicate.status == 409
    assert duplicate.get("location") == f"/requests/{duplicate.json()['id']}"
    go_on.set()
    assert (await client.answer()).status == 200


async def test_a_client_that_leaves_does_not_cancel_its_request(house: Rig) -> None:
    go_on = asyncio.Event()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go_on.wait()
        return False

    house.agent.behave = behave
    client = await house.connect()
    client.send(request("POST", body=b"abc"))
    await until(lambda: house.agent.seen)
    client.close()
    go_on.set()
    [entry] = await house.control.requests()
    assert (await fetched(house, entry["id"])).json()["bytes"] == 3


async def test_no_more_at_once_than_the_agent_takes_and_the_oldest_first(house: Rig) -> None:
    now, most = [0], [0]

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.02)
        now[0] -= 1
        return False

    house.agent.behave = behave
    await house.routes(house.route(ready=False))
    ids = [(await house.call("POST", f"/agent/echo/{n}")).json()["id"] for n in range(9)]
    await house.routes(house.route(concurrency=3))
    direct = await house.call("POST", "/agent/echo/9")
    for request_id in ids:
        assert (await fetched(house, request_id)).status == 200
    assert direct.status == 200
    assert most[0] <= 3
    assert sorted(seen.target for seen in house.agent.seen) == [f"/{n}" for n in range(10)]
    # Side by side three at most may overtake one another.
    order = [int(seen.target[1:]) for seen in house.agent.seen if seen.target != "/9"]
    assert all(abs(place - n) < 3 for place, n in enumerate(order))


async def test_a_stranger_cannot_see_another_namespaces_request(house: Rig) -> None:
    answer = await house.call()
    path = f"/requests/{answer.get('x-homeport-request-id')}"
    client = await house.connect_unix()
    client.send(request(path=path, token="", X_Homeport_Namespace="elsewhere"))
    assert (await client.answer()).status == 404


async def test_a_connection_that_went_stale_does_not_fail_the_next_request(house: Rig) -> None:
    answer = await house.call("POST", body=b"1")
    await house.agent.stop()
    await house.agent.start()
    answer = await house.call("POST", body=b"2")
    assert answer.status == 200
