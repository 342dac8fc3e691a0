# SPDX-License-Identifier: Apache-2.0
"""What every Journal does about those who want to hear of changes. Beside `journal.JournalSuite`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.interfaces.journal import Journal
from homeport.model.request import RequestState
from homeport.model.webhook import Change, HookCount
from homeport.testing.conformance.journal import flying, request, response

ALL = ",".join(RequestState)
NOW = 10**15
DAY_US = 86_400 * 10**6


def told(*hooks: str, states: str = ALL) -> str:
    """As a request carries it."""
    return "{" + ",".join(f'"{hook}":"{states}"' for hook in hooks) + "}"


async def noted(journal: Journal, hook: str = "whk_1") -> list[Change]:
    """Oldest first."""
    return (await journal.outbox.changes(hook, limit=1000))[::-1]


async def states(journal: Journal, hook: str = "whk_1") -> list[str]:
    return [change.state.value for change in await noted(journal, hook)]


async def take(journal: Journal, owner: str = "me", *, hook: str = "whk_1", now_us: int = NOW) -> list[Change]:
    return await journal.outbox.claim(hook, owner, now_us=now_us, until_us=now_us + 30, limit=10)


class OutboxSuite:
    async def test_each_change_of_a_request_is_noted_once_in_order_with_an_id_of_its_own(
        self, journal: Journal
    ) -> None:
        await journal.accept(request(1, hooks=told("whk_1")))
        await journal.lease("req_0001", "me", NOW)
        await journal.release("req_0001", 1, RequestState.PENDING, outcome="cut")
        await journal.lease("req_0001", "me", NOW)
        await journal.complete("req_0001", 2, replace(response(), status=418))
        await journal.replay("req_0001")
        await journal.abandon("req_0001", RequestState.DEAD, outcome="gone")
        found = await noted(journal)
        assert [(c.state.value, c.attempts, c.status, c.outcome) for c in found] == [
            ("pending", 0, 0, ""),
            ("in_flight", 1, 0, ""),
            ("pending", 1, 0, "cut"),
            ("in_flight", 2, 0, "cut"),
            ("completed", 2, 418, ""),
            ("pending", 2, 0, ""),
            ("dead", 2, 0, "gone"),
        ]
        assert len({change.id for change in found}) == 7
        assert all(change.id.startswith("msg_") and change.at_us > 10**15 for change in found)
        assert {(c.request, c.namespace, c.agent, c.method, c.target) for c in found} == {
            ("req_0001", "default", "echo", "POST", "/v1?x=1")
        }

    async def test_nothing_is_noted_of_a_request_nobody_wants_to_hear_of(self, journal: Journal) -> None:
        await journal.accept(flying(1))
        await journal.complete("req_0001", 1, response())
        assert await journal.outbox.counted() == {}

    async def test_nothing_is_noted_of_what_did_not_happen(self, journal: Journal) -> None:
        await journal.accept(flying(1, key="k", hooks=told("whk_1")))
        await journal.accept(request(2, key="k", hooks=told("whk_1")))
        assert await journal.lease("req_0001", "you", NOW) is None
        assert not await journal.complete("req_0001", 7, response())
        assert not await journal.release("req_0001", 7, RequestState.DEAD, outcome="late")
        assert not await journal.abandon("req_0001", RequestState.DEAD, outcome="late")
        await journal.renew([("req_0001", 1)], "me", NOW)
        assert await states(journal) == ["in_flight"]

    async def test_each_hears_of_the_states_it_asked_for(self, journal: Journal) -> None:
        await journal.accept(flying(1, hooks='{"whk_1":"completed,failed","whk_2":"in_flight"}'))
        await journal.accept(flying(2, hooks=told("whk_1", "whk_2", states="failed,dead")))
        await journal.complete("req_0001", 1, response())
        await journal.release(
            "req_0002", 1, RequestState.FAILED, outcome="503", response=replace(response(), status=503)
        )
        assert [(c.request, c.state.value, c.status) for c in await noted(journal)] == [
            ("req_0001", "completed", 200),
            ("req_0002", "failed", 503),
        ]
        assert [(c.state.value, c.status) for c in await noted(journal, "whk_2")] == [("in_flight", 0), ("failed", 503)]

    async def test_of_one_request_the_first_that_waits_is_given_out_and_no_other(self, journal: Journal) -> None:
        for n in (1, 2):
            await journal.accept(flying(n, hooks=told("whk_1")))
            await journal.complete(f"req_{n:04d}", 1, response())
        outbox = journal.outbox
        assert await outbox.due(["whk_1", "whk_2"], now_us=NOW) == {"whk_1"}
        first = await take(journal)
        assert [(c.request, c.state.value) for c in first] == [("req_0001", "in_flight"), ("req_0002", "in_flight")]
        assert await take(journal, "you") == []
        assert not await outbox.deliver(first[0].id, "you", code=200, said="", at_us=NOW)
        assert await outbox.deliver(first[0].id, "me", code=204, said="fine", at_us=NOW)
        assert not await outbox.deliver(first[0].id, "me", code=204, said="fine", at_us=NOW)
        assert await outbox.bury(first[1].id, "me", code=500, said="no", at_us=NOW)
        second = await take(journal, "you")
        assert [(c.request, c.state.value) for c in second] == [("req_0001", "completed"), ("req_0002", "completed")]
        settled = [c for c in await noted(journal) if c.standing != "waiting"]
        assert [(c.standing, c.code, c.said, c.tries, c.settled_at_us) for c in settled] == [
            ("delivered", 204, "fine", 1, NOW),
            ("dead", 500, "no", 1, NOW),
        ]

    async def test_what_is_deferred_keeps_its_id_and_waits_for_its_time(self, journal: Journal) -> None:
        await journal.accept(request(1, hooks=told("whk_1")))
        outbox = journal.outbox
        (first,) = await take(journal)
        assert await outbox.defer(first.id, "me", code=503, said="busy", not_before_us=NOW + 60)
        assert not await outbox.defer(first.id, "me", code=503, said="busy", not_before_us=NOW + 60)
        assert await outbox.due(["whk_1"], now_us=NOW + 59) == set()
        assert await take(journal, now_us=NOW + 59) == []
        (again,) = await take(journal, now_us=NOW + 60)
        assert (again.id, again.tries, again.code, again.said) == (first.id, 1, 503, "busy")
        await outbox.defer(first.id, "me", code=0, said="", not_before_us=NOW + 2 * DAY_US, counted=False)
        (set_back,) = await take(journal, now_us=NOW + 61)
        assert (set_back.id, set_back.tries) == (first.id, 1)

    async def test_a_lease_that_is_over_goes_to_another_and_a_former_life_holds_nothing(self, journal: Journal) -> None:
        await journal.accept(request(1, hooks=told("whk_1")))
        (held,) = await take(journal)
        assert [c.id for c in await take(journal, "you", now_us=NOW + 30)] == [held.id]
        assert not await journal.outbox.deliver(held.id, "me", code=200, said="", at_us=NOW)
        await journal.outbox.reclaim("me")
        assert await take(journal, now_us=NOW + 31) == []
        await journal.outbox.reclaim("you")
        assert [c.id for c in await take(journal, now_us=NOW + 31)] == [held.id]

    async def test_one_that_is_stopped_gets_nothing_more_until_it_goes_on(self, journal: Journal) -> None:
        outbox = journal.outbox
        await journal.accept(request(1, hooks=told("whk_1", "whk_2")))
        assert await outbox.stop("whk_1", "410", at_us=NOW) == 1
        await journal.lease("req_0001", "me", NOW)
        assert await outbox.counted() == {"whk_1": HookCount(0, 1, "410"), "whk_2": HookCount(2, 0)}
        assert await outbox.due(["whk_1", "whk_2"], now_us=NOW) == {"whk_2"}
        await outbox.resume("whk_1")
        assert await outbox.retry("whk_1", ["msg_none"], now_us=NOW) == 0
        assert await outbox.retry("whk_1", (), now_us=NOW) == 1
        await journal.complete("req_0001", 1, response())
        assert await states(journal) == ["pending", "completed"]
        (first,) = await take(journal)
        assert (first.state, first.since_us) == (RequestState.PENDING, NOW)

    async def test_only_what_is_settled_is_swept_the_oldest_first(self, journal: Journal) -> None:
        outbox = journal.outbox
        for n in range(6):
            await journal.accept(request(n, hooks=told("whk_1")))
        for n, change in enumerate(await take(journal)):
            if n < 4:
                settle = outbox.bury if n == 3 else outbox.deliver
                await settle(change.id, "me", code=200, said="", at_us=NOW + n)
        assert await outbox.sweep(delivered_before_us=NOW + 1, dead_before_us=NOW + 1, most=100) == 1
        assert await outbox.sweep(delivered_before_us=0, dead_before_us=0, most=2) == 1
        assert [(c.request, c.standing) for c in await noted(journal)] == [
            ("req_0002", "delivered"), ("req_0003", "dead"), ("req_0004", "waiting"), ("req_0005", "waiting"),
        ]  # fmt: skip
        assert [c.request for c in await outbox.changes("whk_1", standing="dead")] == ["req_0003"]
        newest = (await outbox.changes("whk_1", limit=1))[0]
        assert newest.request == "req_0005"
        assert [c.request for c in await outbox.changes("whk_1", after=newest.seq, limit=1)] == ["req_0004"]

    async def test_what_is_forgotten_leaves_nothing(self, journal: Journal) -> None:
        await journal.accept(request(1, hooks=told("whk_1", "whk_2")))
        await journal.outbox.stop("whk_1", "removed", at_us=NOW)
        assert await journal.outbox.forget("whk_1") == 1
        assert await journal.outbox.forget("whk_1") == 0
        assert await journal.outbox.counted() == {"whk_2": HookCount(1, 0)}

    async def test_a_request_keeps_who_hears_of_it_and_may_be_forgotten_before_they_did(self, journal: Journal) -> None:
        await journal.accept(flying(1, hooks=told("whk_1")))
        held = await journal.get("req_0001")
        assert held is not None
        assert held.hooks == told("whk_1")
        assert [one.hooks for one in await journal.list("default")] == [told("whk_1")]
        await journal.complete("req_0001", 1, response())
        assert (await journal.forget(["req_0001"])).removed == 1
        assert await states(journal) == ["in_flight", "completed"]

    @pytest.mark.parametrize("hook", ["", "'; DROP TABLE outbox; --", "ä\u2028"])
    async def test_an_odd_name_is_only_a_name(self, journal: Journal, hook: str) -> None:
        assert await take(journal, hook=hook) == []
        assert await journal.outbox.due([hook], now_us=NOW) == set()
        assert await journal.outbox.retry(hook, [hook], now_us=NOW) == 0
        assert await journal.outbox.forget(hook) == 0
