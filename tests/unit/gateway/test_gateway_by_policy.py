# SPDX-License-Identifier: Apache-2.0
"""What a caller and an agent's author may choose about delivery, on real sockets with a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway_rig import Rig, Seen, rig, until
from homeport.model.workload import Backoff, Delivery, DeliveryPolicy, RetryPolicy

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n%s\r\nbusy"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"
QUICK = RetryPolicy(Backoff.FIXED, attempts=3, delay=0.01, statuses=(429, 503))


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def busy(times: int, headers: bytes = b"") -> Any:
    """Answers 503 so often, then 200."""
    left = [times]

    def behave(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        left[0] -= 1
        writer.write(BUSY % headers if left[0] >= 0 else FINE)
        return True

    return behave


async def stored(gate: Rig, request_id: str | None) -> dict[str, Any]:
    return dict((await gate.call("GET", f"/requests/{request_id}")).json())


async def away(gate: Rig, **change: Any) -> None:
    await gate.routes(gate.route(ready=False, endpoint="", instance="", reason="agent is stopped", **change))


# ── retry policy ─────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_5xx_is_the_agents_answer_unless_its_policy_says_otherwise(gate: Rig) -> None:
    gate.agent.behave = busy(1)
    answer = await gate.call("GET")
    assert (answer.status, answer.body) == (503, b"busy")
    await until(lambda: completed(gate, answer.get("x-homeport-request-id")))
    assert len(gate.agent.seen) == 1


async def test_an_agent_that_says_not_now_is_asked_again_and_the_caller_sees_the_last_answer_only(gate: Rig) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK)))
    gate.agent.behave = busy(2)
    answer = await gate.call("GET")
    assert (answer.status, answer.body) == (200, b"fine")
    await until(lambda: completed(gate, answer.get("x-homeport-request-id")))
    assert (await stored(gate, answer.get("x-homeport-request-id")))["attempts"] == 3


async def test_one_that_is_never_done_becomes_a_dead_letter_with_its_last_answer(gate: Rig) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK)))
    gate.agent.behave = busy(99)
    answer = await gate.call("GET")
    assert (answer.status, answer.body, len(gate.agent.seen)) == (503, b"busy", 3)
    request_id = answer.get("x-homeport-request-id")
    await until(lambda: settled(gate, request_id))
    shown = await stored(gate, request_id)
    assert (shown["state"], shown["status"], shown["outcome"]) == (
        "dead", 503, "given up after 3 attempts: the agent answered 503")  # fmt: skip
    kept = await gate.call("GET", f"/requests/{request_id}/response")
    assert (kept.status, kept.body) == (503, b"busy")
    gate.agent.behave = None
    assert await gate.control.replay(str(request_id))
    await until(lambda: completed(gate, request_id))


async def test_a_post_is_not_repeated_whatever_the_agent_answers(gate: Rig) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK)))
    gate.agent.behave = busy(1)
    assert (await gate.call("POST", body=b"x")).status == 503
    assert len(gate.agent.seen) == 1
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK), delivery=Delivery.AT_LEAST_ONCE))
    gate.agent.behave = busy(1)
    assert (await gate.call("POST", body=b"x")).status == 200


async def test_a_retry_after_is_waited_for_and_holds_nobody_else_up(gate: Rig) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK)))
    gate.agent.behave = busy(1, b"Retry-After: 3000\r\n")
    first = await gate.call("GET", Prefer="wait=0")
    await until(lambda: waits(gate, first.json()["id"]))
    answers = await asyncio.gather(*(gate.call("GET") for _ in range(20)))
    assert {one.status for one in answers} == {200}
    shown = await stored(gate, first.json()["id"])
    assert (shown["state"], shown["outcome"]) == ("pending", "the agent answered 503")


@pytest.mark.parametrize(
    ("after", "policy"),
    [
        (b"Retry-After: 99999\r\n", QUICK),
        (b"Retry-After: 60\r\n", RetryPolicy(attempts=3, deadline=30.0, statuses=(503,))),
    ],
)
async def test_one_that_asks_for_too_much_time_is_not_asked_again(gate: Rig, after: bytes, policy: RetryPolicy) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(policy)))
    gate.agent.behave = busy(9, after)
    assert ((await gate.call("GET")).status, len(gate.agent.seen)) == (503, 1)


async def test_a_slow_request_is_never_sent_twice(gate: Rig) -> None:
    """The original replays every 5 s whatever is pending, in flight or not."""
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    gate.agent.behave = slow
    call = asyncio.create_task(gate.call("GET"))
    await until(lambda: gate.agent.seen)
    for _ in range(5):  # everything that makes the dispatcher look again
        await gate.routes(gate.route())
    go.set()
    assert ((await call).status, len(gate.agent.seen)) == (200, 1)


# ── the caller's choice ──────────────────────────────────────────────────────────────────────────────────────────────
async def test_respond_async_is_promised_at_once_and_done_all_the_same(gate: Rig) -> None:
    answer = await gate.call("POST", body=b"x", Prefer="respond-async")
    assert (answer.status, answer.get("preference-applied")) == (202, "respond-async")
    await until(lambda: completed(gate, answer.json()["id"]))


async def test_fail_fast_is_refused_at_once_and_nothing_is_stored(gate: Rig) -> None:
    await away(gate)
    answer = await gate.call("POST", body=b"x" * 300_000, X_Homeport_Delivery="fail-fast")
    assert (answer.status, answer.get("retry-after")) == (503, "2")
    assert "agent is stopped" in answer.json()["error"]["message"]
    assert sum((await gate.control.status())["requests"].values()) == 0
    assert list((gate.home / "spool").iterdir()) == []


async def test_fail_fast_is_refused_while_the_agent_is_full(gate: Rig) -> None:
    await gate.routes(gate.route(concurrency=1))
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    gate.agent.behave = slow
    first = asyncio.create_task(gate.call("GET"))
    await until(lambda: gate.agent.seen)
    assert (await gate.call("GET", X_Homeport_Delivery="fail-fast")).status == 503
    go.set()
    assert (await first).status == 200
    assert (await gate.call("GET", X_Homeport_Delivery="fail-fast")).status == 200


async def test_fail_fast_has_no_second_attempt(gate: Rig) -> None:
    gate.agent.behave = lambda seen, writer: "bye"
    answer = await gate.call("GET", X_Homeport_Delivery="fail-fast")
    assert (answer.status, answer.json()["status"]) == (502, "dead")
    assert "no second attempt" in answer.json()["error"]["message"]
    await gate.agent.stop()
    answer = await gate.call("GET", X_Homeport_Delivery="fail-fast")
    assert (answer.status, answer.json()["status"]) == (502, "failed")


async def test_what_waits_past_its_deadline_is_given_up_with_504(gate: Rig) -> None:
    await away(gate)
    answer = await gate.call("POST", body=b"x", Prefer="wait=60", X_Homeport_Deadline="0.05")
    assert (answer.status, answer.json()["status"]) == (504, "failed")
    await gate.routes(gate.route())
    assert (await gate.call("GET")).status == 200
    assert len(gate.agent.seen) == 1


async def test_what_an_agent_has_not_answered_by_its_deadline_is_given_up(gate: Rig) -> None:
    async def never(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await asyncio.Event().wait()
        return True

    gate.agent.behave = never
    answer = await gate.call("POST", body=b"x", X_Homeport_Deadline="0.2")
    assert (answer.status, answer.json()["status"]) == (504, "dead")
    assert "outcome unknown" in answer.json()["error"]["message"]
    answer = await gate.call("GET", X_Homeport_Deadline="0.2")
    assert (answer.status, answer.json()["status"], len(gate.agent.seen)) == (504, "dead", 2)


async def test_the_callers_choices_are_the_gateways_and_go_no_further(gate: Rig) -> None:
    await gate.call("GET", X_Homeport_Delivery="fail-fast", X_Homeport_Deadline="9", X_Homeport_Priority="high")
    assert not [name for name, _ in gate.agent.seen[0].headers if name.lower().startswith("x-homeport-d")]


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Homeport_Delivery": "slow"},
        {"X_Homeport_Deadline": "0"},
        {"X_Homeport_Deadline": "-1"},
        {"X_Homeport_Deadline": "1e3"},
        {"X_Homeport_Deadline": "inf"},
        {"X_Homeport_Deadline": "9" * 40},
        {"X_Homeport_Priority": "highest"},
        {"X_Homeport_Ordering_Key": "k" * 256},
        {"X_Homeport_Ordering_Key": ""},
        {"X_Homeport_Ordering_Key": "k", "X_Homeport_Delivery": "fail-fast"},
    ],
)
async def test_a_choice_that_is_none_is_refused(gate: Rig, headers: dict[str, str]) -> None:
    assert (await gate.call("GET", **headers)).status == 400
    assert gate.agent.seen == []


# ── limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_full_queue_says_how_many_wait(gate: Rig) -> None:
    await gate.routes(gate.route(concurrency=1, policy=DeliveryPolicy(queue=2)))
    go = asyncio.Event()

    async def slow(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        await go.wait()
        return False

    gate.agent.behave = slow
    calls = [asyncio.create_task(gate.call("GET"))]
    await until(lambda: gate.agent.seen)
    answers = await asyncio.gather(*(gate.call("GET", Prefer="respond-async") for _ in range(9)))
    assert sorted(one.status for one in answers) == [202] * 2 + [429] * 7
    refused = next(one for one in answers if one.status == 429)
    assert refused.get("retry-after")
    assert "2 are waiting" in refused.json()["error"]["message"]
    await away(gate, policy=DeliveryPolicy(queue=2))
    assert (await gate.call("GET")).status == 503
    go.set()
    await gate.routes(gate.route(policy=DeliveryPolicy(queue=2)))
    await asyncio.gather(*calls)
    await until(lambda: len(gate.agent.seen) >= 3)
    assert (await gate.call("GET")).status == 200


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────
class Watched:
    """An agent that notes what it has at once, and in which order."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.order: list[str] = []

    async def __call__(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        lane = seen.target.split("?")[0]
        self.now[lane] = self.now.get(lane, 0) + 1
        self.most[lane] = max(self.most.get(lane, 0), self.now[lane])
        self.order.append(seen.target)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now[lane] -= 1
        return False


async def test_requests_of_one_key_are_done_one_after_the_other_in_order(gate: Rig) -> None:
    watched = gate.agent.behave = Watched()
    for n in range(12):
        key = "ab"[n % 2]
        answer = await gate.call(
            "POST", f"/agent/echo/{key}?{n}", b"x", X_Homeport_Ordering_Key=key, Prefer="respond-async"
        )
        assert answer.status == 202
    await until(lambda: len(watched.order) == 12)
    assert watched.most == {"/a": 1, "/b": 1}
    assert [one for one in watched.order if one.startswith("/a")] == [f"/a?{n}" for n in range(0, 12, 2)]
    assert [one for one in watched.order if one.startswith("/b")] == [f"/b?{n}" for n in range(1, 12, 2)]


async def test_a_key_keeps_its_order_while_its_first_is_tried_again(gate: Rig) -> None:
    await gate.routes(gate.route(policy=DeliveryPolicy(QUICK)))
    gate.agent.behave = busy(2)
    for n in range(3):
        await gate.call("GET", f"/agent/echo/{n}", X_Homeport_Ordering_Key="k", Prefer="respond-async")
    await until(lambda: len(gate.agent.seen) == 5)
    assert [seen.target for seen in gate.agent.seen] == ["/0", "/0", "/0", "/1", "/2"]


async def test_an_ordered_agent_gets_one_at_a_time_in_order_of_acceptance(gate: Rig) -> None:
    await away(gate, policy=DeliveryPolicy(ordered=True))
    watched = gate.agent.behave = Watched()
    for n in range(8):
        assert (await gate.call("POST", f"/agent/echo/?{n}", b"x")).status == 202
    await gate.routes(gate.route(policy=DeliveryPolicy(ordered=True)))
    await until(lambda: len(watched.order) == 8)
    assert watched.most == {"/": 1}
    assert watched.order == [f"/?{n}" for n in range(8)]
    assert (await gate.call("GET")).status == 200


async def test_a_replayed_one_goes_before_those_that_wait_behind_it(gate: Rig) -> None:
    gate.agent.behave = lambda seen, writer: "bye"
    dead = await gate.call("POST", "/agent/echo/0", b"x", X_Homeport_Ordering_Key="k")
    assert dead.status == 502
    gate.agent.behave = None
    await away(gate)
    for n in (1, 2):
        await gate.call("POST", f"/agent/echo/{n}", b"x", X_Homeport_Ordering_Key="k")
    assert await gate.control.replay(dead.json()["id"])
    await gate.routes(gate.route())
    await until(lambda: len(gate.agent.seen) == 4)
    assert [seen.target for seen in gate.agent.seen] == ["/0", "/0", "/1", "/2"]


async def test_what_is_urgent_goes_first(gate: Rig) -> None:
    await away(gate, concurrency=1)
    for priority in ("low", "normal", "high"):
        assert (await gate.call("GET", f"/agent/echo/{priority}", X_Homeport_Priority=priority)).status == 202
    await gate.routes(gate.route(concurrency=1))
    await until(lambda: len(gate.agent.seen) == 3)
    assert [seen.target for seen in gate.agent.seen] == ["/high", "/normal", "/low"]


# ── circuit ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_an_agent_that_takes_no_connections_is_left_alone_and_found_again(gate: Rig) -> None:
    await gate.agent.stop()
    for _ in range(6):
        assert (await gate.call("POST", body=b"x")).status == 202
    await until(lambda: opened(gate))
    answer = await gate.call("POST", body=b"x", X_Homeport_Delivery="fail-fast")
    assert answer.status == 503
    assert "no connections" in answer.json()["error"]["message"]
    assert (await gate.call("POST", body=b"x")).status == 202
    await gate.agent.start()
    await until(lambda: len(gate.agent.seen) == 7)
    assert (await gate.call("GET")).status == 200
    assert not await opened(gate)


async def test_a_new_instance_begins_with_a_closed_circuit(gate: Rig) -> None:
    await gate.agent.stop()
    for _ in range(6):
        await gate.call("POST", body=b"x")
    await until(lambda: opened(gate))
    await gate.agent.start()
    await gate.routes(gate.route(instance="ins_2"))
    await until(lambda: len(gate.agent.seen) == 6)


async def opened(gate: Rig) -> bool:
    return 'homeport_gateway_circuit_open{namespace="default",agent="echo"} 1' in await gate.control.metrics()


async def settled(gate: Rig, request_id: str | None) -> bool:
    return str((await stored(gate, request_id))["state"]) not in ("pending", "in_flight")


async def completed(gate: Rig, request_id: str | None) -> bool:
    return str((await stored(gate, request_id))["state"]) == "completed"


async def waits(gate: Rig, request_id: str | None) -> bool:
    shown = await stored(gate, request_id)
    return (shown["state"], shown["attempts"]) == ("pending", 1)
