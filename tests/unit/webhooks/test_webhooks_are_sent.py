# SPDX-License-Identifier: Apache-2.0
"""A gateway, an agent, and receivers of webhooks on loopback: what these are told, and how often."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from gateway_rig import Rig, rig, until
from homeport.gateway.webhooks.addresses import Border, networks
from homeport.gateway.webhooks.post import Poster
from homeport.model.request import RequestState
from webhook_rig import SECRET, Got, Receiver, new_secret, reply, webhook

LOOPBACK = networks("127.0.0.0/8")


@pytest.fixture
async def gateway(tmp_path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, poster=Poster(Border(LOOPBACK), deadline_s=1.0)) as made:
        yield made


async def told(gateway: Rig, *hooks: object, **route: object) -> None:
    await gateway.routes(gateway.route(**route), webhooks=hooks)  # type: ignore[arg-type]


async def deliveries(gateway: Rig, hook: str = "whk_hook") -> list[tuple[str, str, int | None]]:
    """Oldest first."""
    found = await gateway.control.deliveries(hook)
    return [(one["state"], one["delivery"], one["status"]) for one in found[::-1]]


async def test_every_change_of_a_request_is_told_once_signed_and_in_order(gateway: Rig) -> None:
    async with Receiver() as receiver:
        await told(gateway, webhook(receiver.url("/in?x=1")))
        answer = await gateway.call("POST", "/agent/echo/a?token=hidden-from-all", b"secret body")
        request = answer.get("x-homeport-request-id")
        await until(lambda: len(receiver.ledger) == 2)
        first, second = receiver.ledger
        assert (first.kind, second.kind) == ("request.in_flight", "request.completed")
        assert first.id != second.id
        assert first.path == "/in?x=1"
        assert first.signed_by(SECRET) and not first.signed_by(new_secret())
        assert abs(int(first.headers["webhook-timestamp"]) - time.time()) < 60
        assert second.data == {
            "id": request, "namespace": "default", "agent": "echo", "state": "completed", "method": "POST",
            "target": "/a?token=***", "status": 200, "outcome": "", "attempts": 1, "status_url": f"/requests/{request}",
        }  # fmt: skip
        assert b"secret body" not in second.body + first.body
        assert b"hidden-from-all" not in second.body + first.body
        await until(lambda: settled(gateway))
        assert await deliveries(gateway) == [("in_flight", "delivered", 204), ("completed", "delivered", 204)]


async def settled(gateway: Rig) -> bool:
    return all(count.waiting == 0 for count in (await gateway.control.webhooks()).values())


async def test_only_what_was_asked_for_is_told(gateway: Rig) -> None:
    async with Receiver() as receiver, Receiver() as other:
        hooks = (
            webhook(receiver.url(), states=(RequestState.FAILED, RequestState.COMPLETED)),
            webhook(other.url(), "elsewhere", agent="another"),
        )
        await told(gateway, *hooks)
        await gateway.call()
        await until(lambda: receiver.ledger)
        await until(lambda: settled(gateway))
        assert [got.kind for got in receiver.ledger] == ["request.completed"]
        assert other.ledger == []


async def test_one_that_is_named_hears_of_that_request_alone(gateway: Rig) -> None:
    async with Receiver() as receiver:
        await told(gateway, webhook(receiver.url(), "mine", named=True), webhook(receiver.url(), "x", agent="another"))
        await gateway.call()
        named = await gateway.call(X_Homeport_Webhook="mine")
        await until(lambda: len(receiver.ledger) == 2)
        assert {got.data["id"] for got in receiver.ledger} == {named.get("x-homeport-request-id")}
        assert "x-homeport-webhook" not in {name.lower() for name, _ in gateway.agent.seen[-1].headers}
        for wrong in ("x", "none", receiver.url(), "", "mine, mine"):
            refused = await gateway.call(X_Homeport_Webhook=wrong)
            assert refused.status == 400, wrong
        assert len(gateway.agent.seen) == 2


async def test_what_is_not_taken_is_sent_again_with_the_same_id_and_body(gateway: Rig) -> None:
    def busy_twice(got: Got) -> bytes:
        return reply(500, b"token=abcdefghijkl\x1b[31m") if len(receiver.ledger) <= 1 else reply(200)

    async with Receiver(busy_twice) as receiver:
        await told(gateway, webhook(receiver.url(), states=(RequestState.COMPLETED,)))
        await gateway.call()
        await until(lambda: receiver.ledger)
        await until(lambda: refused(gateway))
        (waiting,) = await gateway.control.deliveries("whk_hook")
        assert (waiting["delivery"], waiting["tries"], waiting["status"]) == ("waiting", 1, 500)
        assert waiting["said"] == "token=*** [31m" or "abcdefghijkl" not in waiting["said"]
        assert "\x1b" not in waiting["said"]
        await until(lambda: settled(gateway))
        assert {(got.id, got.body) for got in receiver.ledger} == {(receiver.ledger[0].id, receiver.ledger[0].body)}
        assert len(receiver.ledger) == 2


async def refused(gateway: Rig) -> bool:
    return any(one["tries"] for one in await gateway.control.deliveries("whk_hook"))


async def test_retry_after_is_kept_to(gateway: Rig) -> None:
    async with Receiver(lambda got: reply(503, b"", "Retry-After: 3600")) as receiver:
        await told(gateway, webhook(receiver.url(), states=(RequestState.COMPLETED,)))
        before = time.time()
        await gateway.call()
        await until(lambda: refused(gateway))
        (waiting,) = await gateway.control.deliveries("whk_hook")
        at = time.mktime(time.strptime(waiting["next_try_at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
        assert at >= before + 3590


async def test_410_ends_it_until_somebody_takes_it_up_again(gateway: Rig) -> None:
    gone = [True]
    async with Receiver(lambda got: reply(410 if gone[0] else 200)) as receiver:
        await told(gateway, webhook(receiver.url()))
        await gateway.call()
        await until(lambda: stopped(gateway))
        sent = len(receiver.ledger)
        await gateway.call()
        assert (await deliveries(gateway))[0][1:] == ("dead", 410)
        assert {one["next_try_at"] for one in await gateway.control.deliveries("whk_hook")} == {None}
        assert len(receiver.ledger) == sent
        gone[0] = False
        assert await gateway.control.retry_webhook("whk_hook") == 2
        await until(lambda: settled(gateway))
        assert [state for state, delivery, _ in await deliveries(gateway) if delivery == "delivered"] == [
            "in_flight", "completed",
        ]  # fmt: skip


async def stopped(gateway: Rig) -> bool:
    return any(count.stopped for count in (await gateway.control.webhooks()).values())


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("silent", None, "no answer within 1 s"),
        ("redirecting", reply(302, b"", "Location: http://169.254.169.254/"), ""),
        ("not HTTP", b"\x00\x01 hello", "what it answered is not valid HTTP/1.1"),
        ("cut", b"", "it closed the connection without an answer"),
        ("endless head", b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 40_000, ""),
    ],
)
async def test_one_that_misbehaves_is_tried_again_and_holds_up_nobody(gateway: Rig, name, answer, said) -> None:
    async with Receiver(lambda got: answer) as bad, Receiver() as good:
        await told(gateway, webhook(bad.url(), "bad"), webhook(good.url(), "good"))
        for _ in range(6):
            assert (await gateway.call()).status == 200
        await until(lambda: len(good.ledger) == 12)
        await until(lambda: tried(gateway, "whk_bad"))
        found = [one for one in await gateway.control.deliveries("whk_bad") if one["tries"]]
        assert all(one["delivery"] == "waiting" and one["said"].startswith(said) for one in found), found
        assert (await gateway.control.webhooks())["whk_bad"].waiting == 12


async def tried(gateway: Rig, hook: str) -> bool:
    return any(one["tries"] for one in await gateway.control.deliveries(hook))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 10**6,
    ],
)
async def test_of_a_long_answer_no_more_is_read_than_is_needed(gateway: Rig, answer: bytes) -> None:
    async with Receiver(lambda got: answer) as receiver:
        await told(gateway, webhook(receiver.url(), states=(RequestState.COMPLETED,)))
        await gateway.call()
        await until(lambda: receiver.ledger)
        await until(lambda: settled(gateway))
        (one,) = await gateway.control.deliveries("whk_hook")
        assert (one["delivery"], one["status"], len(one["said"])) == ("delivered", 200, 200)
        assert len(receiver.ledger) == 1


async def test_while_two_secrets_are_valid_both_sign(gateway: Rig) -> None:
    old = new_secret()
    async with Receiver() as receiver:
        await told(gateway, webhook(receiver.url(), secrets=(SECRET, old)))
        await gateway.call()
        await until(lambda: len(receiver.ledger) == 2)
        assert all(got.signed_by(SECRET) and got.signed_by(old) for got in receiver.ledger)


async def test_a_trial_says_at_once_what_came_of_it(gateway: Rig) -> None:
    async with Receiver(lambda got: reply(401, b"who are you?")) as receiver:
        await told(gateway, webhook(receiver.url()))
        assert await gateway.control.try_webhook("whk_hook") == {
            "delivered": False, "status": 401, "said": "who are you?",
        }  # fmt: skip
        (got,) = receiver.ledger
        assert got.kind == "webhook.test" and got.signed_by(SECRET)
        assert json.loads(got.body)["data"] == {"webhook": "hook"}


async def test_what_is_left_of_a_removed_one_is_forgotten(gateway: Rig) -> None:
    async with Receiver(lambda got: reply(500)) as receiver:
        await told(gateway, webhook(receiver.url()))
        await gateway.call()
        await until(lambda: refused(gateway))
        await told(gateway)
        assert await gateway.control.forget_webhook("whk_hook") == 2
        assert await gateway.control.deliveries("whk_hook") == []
        await gateway.call()
        assert await gateway.control.webhooks() == {}


async def test_a_websocket_tells_its_beginning_and_its_end(gateway: Rig) -> None:
    async def refuse(seen, writer):
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        return True

    gateway.agent.behave = refuse
    async with Receiver() as receiver:
        await told(gateway, webhook(receiver.url()))
        await gateway.call(
            Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
            Sec_WebSocket_Version="13",
        )  # fmt: skip
        await until(lambda: len(receiver.ledger) == 2)
        assert [got.data["method"] for got in receiver.ledger] == ["CONNECT", "CONNECT"]


async def test_many_at_once_reach_it_a_few_at_a_time_each_in_order(gateway: Rig) -> None:
    busy, most = [0], [0]

    class Slow(Receiver):
        async def _client(self, reader, writer):
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            await asyncio.sleep(0.01)
            await super()._client(reader, writer)
            busy[0] -= 1

    async with Slow() as receiver:
        await told(gateway, webhook(receiver.url()))
        answers = await asyncio.gather(*(gateway.call() for _ in range(40)))
        await until(lambda: sum(got.kind == "request.completed" for got in receiver.ledger) == 40)
        for answer in answers:
            kinds = receiver.of(str(answer.get("x-homeport-request-id")))
            assert kinds[-1] == "request.completed" and len(kinds) == len(set(kinds)) <= 3, kinds
        assert 1 < most[0] <= 4
