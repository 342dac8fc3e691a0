# SPDX-License-Identifier: Apache-2.0
"""What every Journal does. The fixture `journal` gives an empty, open one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from homeport.errors import Unavailable
from homeport.interfaces.journal import LEVEL_US, Journal, Queue
from homeport.model.kept import ALL, Wanted
from homeport.model.request import Body, RequestState, StoredRequest, StoredResponse


def request(n: int = 1, **change: object) -> StoredRequest:
    """Pending, for agent "echo" in "default"."""
    made = StoredRequest(
        id=f"req_{n:04d}",
        namespace="default",
        agent="echo",
        method="POST",
        target="/v1?x=1",
        headers=((b"Content-Type", b"text/plain"), (b"X-Twice", b"1"), (b"X-Twice", b"a:b"), (b"X-Empty", b"")),
        body=Body(b"hello", "", 5),
        state=RequestState.PENDING,
        accepted_at_us=n,
    )
    return replace(made, **change)  # type: ignore[arg-type]


def response(body: bytes = b"fine") -> StoredResponse:
    return StoredResponse(200, "OK", ((b"Set-Cookie", b"\0sealed:x"),), Body(body, "", len(body)), 7)


def flying(n: int = 1, **change: object) -> StoredRequest:
    """With its first lease, held by "me"."""
    lease: dict[str, object] = {"attempts": 1, "fence": 1, "lease_owner": "me", "lease_until_us": 10**15}
    return request(n, state=RequestState.IN_FLIGHT, **(lease | change))


class JournalSuite:
    @pytest.mark.parametrize("size", [0, 1, 2047, 2048, 200_000])
    async def test_what_was_accepted_is_read_back_equal(self, journal: Journal, size: int) -> None:
        written = request(body=Body(b"x" * size, "", size))
        assert (await journal.accept(written)).existing is None
        assert await journal.get(written.id) == written
        assert await journal.pending("default", "echo") == [written]
        assert await journal.get("req_none") is None

    async def test_a_key_is_held_once_per_agent_and_namespace(self, journal: Journal) -> None:
        first = request(1, key="k", fingerprint="f")
        await journal.accept(first)
        again = await journal.accept(request(2, key="k"))
        assert (again.id, again.existing) == (first.id, first)
        assert await journal.get("req_0002") is None
        assert (await journal.accept(request(3, key="k", agent="other"))).existing is None
        assert (await journal.accept(request(4, key="k", namespace="other"))).existing is None

    async def test_a_key_is_held_by_the_agent_not_by_its_name(self, journal: Journal) -> None:
        first, second = (request(n, key="k", agent_id=f"agt_{n}") for n in (1, 2))
        assert (await journal.accept(first)).existing is None
        assert (await journal.accept(second)).existing is None
        assert (await journal.accept(request(3, key="k", agent_id="agt_1"))).existing == first
        assert (await journal.accept(request(5))).existing is None
        assert (await journal.accept(request(6))).existing is None

    async def test_one_lease_at_a_time_with_a_growing_fence(self, journal: Journal) -> None:
        await journal.accept(request())
        leased = await journal.lease("req_0001", "me", 99)
        assert leased is not None
        assert (leased.state, leased.attempts, leased.fence) == (RequestState.IN_FLIGHT, 1, 1)
        assert (leased.lease_owner, leased.lease_until_us, leased.body) == ("me", 99, Body(b"hello", "", 5))
        assert await journal.lease("req_0001", "you", 99) is None
        assert await journal.lease("req_none", "you", 99) is None
        assert await journal.pending("default", "echo") == []
        assert await journal.release("req_0001", 1, RequestState.PENDING, outcome="cut", not_before_us=5)
        [waiting] = await journal.pending("default", "echo")
        assert (waiting.not_before_us, waiting.outcome, waiting.lease_owner) == (5, "cut", "")
        again = await journal.lease("req_0001", "you", 99)
        assert again is not None
        assert (again.attempts, again.fence) == (2, 2)

    async def test_an_attempt_that_never_reached_the_agent_is_not_counted(self, journal: Journal) -> None:
        await journal.accept(flying())
        assert await journal.release("req_0001", 1, RequestState.PENDING, outcome="refused", attempted=False)
        leased = await journal.lease("req_0001", "me", 99)
        assert leased is not None
        assert (leased.attempts, leased.fence) == (1, 2)

    async def test_an_answer_is_kept_and_comes_only_from_the_holder_of_the_lease(self, journal: Journal) -> None:
        await journal.accept(flying())
        assert not await journal.complete("req_0001", 2, response())
        assert not await journal.complete("req_none", 1, response())
        assert await journal.complete("req_0001", 1, response())
        held = await journal.get("req_0001")
        assert held is not None
        assert (held.state, held.response, held.lease_owner) == (RequestState.COMPLETED, response(), "")
        assert not await journal.complete("req_0001", 1, response(b"late"))
        assert not await journal.release("req_0001", 1, RequestState.DEAD, outcome="late")

    @pytest.mark.parametrize("state", [RequestState.FAILED, RequestState.DEAD])
    async def test_what_was_given_up_stays_so_until_a_person_replays_it(
        self, journal: Journal, state: RequestState
    ) -> None:
        await journal.accept(flying())
        assert await journal.replay("req_0001") is None
        assert await journal.release("req_0001", 1, state, outcome="why")
        held = await journal.get("req_0001")
        assert held is not None
        assert (held.state, held.outcome) == (state, "why")
        assert await journal.lease("req_0001", "me", 99) is None
        replayed = await journal.replay("req_0001")
        assert replayed is not None
        assert (replayed.state, replayed.outcome) == (RequestState.PENDING, "")
        assert await journal.replay("req_0001") is None
        assert await journal.replay("req_none") is None

    async def test_a_replayed_request_takes_a_new_answer(self, journal: Journal) -> None:
        await journal.accept(flying())
        await journal.complete("req_0001", 1, response(b"old"))
        replayed = await journal.replay("req_0001")
        assert replayed is not None
        assert replayed.response is None
        leased = await journal.lease("req_0001", "me", 99)
        assert leased is not None
        assert await journal.complete("req_0001", leased.fence, response(b"new"))
        held = await journal.get("req_0001")
        assert held is not None
        assert held.response == response(b"new")

    async def test_interrupted_are_our_own_and_the_overdue(self, journal: Journal) -> None:
        await journal.accept(flying(1))
        await journal.accept(flying(2, lease_owner="you", lease_until_us=50))
        await journal.accept(flying(3, lease_owner="you", lease_until_us=500))
        await journal.accept(request(4))
        found = await journal.interrupted(owner="me", now_us=100)
        assert [held.id for held in found] == ["req_0001", "req_0002"]
        assert found[0].headers == request().headers
        assert len(await journal.interrupted(owner="me", now_us=100, limit=1)) == 1

    async def test_one_that_serves_already_asks_for_the_overdue_only(self, journal: Journal) -> None:
        await journal.accept(flying(1))
        await journal.accept(flying(2, lease_until_us=50))
        await journal.accept(flying(3, lease_owner="you", lease_until_us=50))
        found = await journal.interrupted(owner="", now_us=100)
        assert [held.id for held in found] == ["req_0002", "req_0003"]

    async def test_whoever_releases_an_overdue_one_first_has_judged_it(self, journal: Journal) -> None:
        await journal.accept(flying(lease_owner="you", lease_until_us=50))
        one, other = [(await journal.interrupted(owner="", now_us=100))[0] for _ in range(2)]
        judged = [
            await journal.release(held.id, held.fence, RequestState.PENDING, outcome="late") for held in (one, other)
        ]
        assert judged == [True, False]
        assert await journal.interrupted(owner="", now_us=100) == []
        leased = await journal.lease(one.id, "me", 10**15)
        assert leased is not None
        assert not await journal.complete(one.id, one.fence, response(b"of the one that was late"))
        assert await journal.complete(one.id, leased.fence, response())

    async def test_a_lease_is_renewed_by_its_holder_and_by_nobody_else(self, journal: Journal) -> None:
        for n in range(1, 4):
            await journal.accept(flying(n, lease_until_us=50))
        await journal.accept(flying(4, lease_owner="you", lease_until_us=50))
        await journal.complete("req_0003", 1, response())
        wanted = [("req_0001", 1), ("req_0002", 2), ("req_0003", 1), ("req_0004", 1), ("req_none", 1)]
        assert await journal.renew(wanted, "me", 500) == {"req_0001"}
        assert await journal.renew([], "me", 500) == set()
        overdue = await journal.interrupted(owner="", now_us=100)
        assert [held.id for held in overdue] == ["req_0002", "req_0004"]
        held = await journal.get("req_0001")
        assert held is not None
        assert (held.lease_until_us, held.fence, held.attempts) == (500, 1, 1)

    async def test_pending_is_oldest_first_and_of_one_agent(self, journal: Journal) -> None:
        for n in (3, 1, 2):
            await journal.accept(request(n))
        await journal.accept(request(4, agent="other"))
        await journal.accept(request(5, namespace="other"))
        assert [held.id for held in await journal.pending("default", "echo")] == ["req_0001", "req_0002", "req_0003"]
        assert [held.id for held in await journal.pending("default", "echo", limit=1)] == ["req_0001"]
        assert await journal.backlog() == {("default", "echo"): 3, ("default", "other"): 1, ("other", "echo"): 1}

    async def test_queues_say_how_many_wait_and_since_when(self, journal: Journal) -> None:
        assert await journal.queues() == {}
        for n, priority in ((1, 2), (2, 0), (3, 1)):
            await journal.accept(request(n, accepted_at_us=10**15 + n, priority=priority))
        await journal.accept(request(4, agent="other", accepted_at_us=10**15 + 4))
        await journal.accept(flying(5))
        first = ("default", "echo")
        assert await journal.queues() == {first: Queue(3, 10**15 + 1), ("default", "other"): Queue(1, 10**15 + 4)}
        await journal.lease("req_0001", "me", 99)
        assert (await journal.queues())[first] == Queue(2, 10**15 + 2)

    async def test_what_it_takes_and_what_a_commit_takes_is_told(self, journal: Journal) -> None:
        told: list[float] = []
        journal.watch_syncs(told.append)
        await journal.accept(request())
        sizes = await journal.sizes()
        assert all(size > 0 for size in sizes.values())
        assert all(seconds > 0 for seconds in told)
        assert bool(told) == bool(sizes)

    async def test_terms_are_read_back(self, journal: Journal) -> None:
        written = request(lane="=caf\xe9", priority=0, deadline_us=10**15 + 5, once=True)
        await journal.accept(written)
        assert await journal.get(written.id) == written

    async def test_pending_goes_by_priority_before_age(self, journal: Journal) -> None:
        for n, priority in ((1, 2), (2, 1), (3, 0), (4, 1)):
            await journal.accept(request(n, priority=priority))
        assert [held.id[-1] for held in await journal.pending("default", "echo")] == ["3", "2", "4", "1"]
        found = await journal.due("default", "echo", now_us=50, furthest_us=99, limit=2)
        assert [held.id[-1] for held in found] == ["3", "2"]
        assert await journal.waiting("default", "echo", most=9) == 4
        assert await journal.waiting("default", "echo", most=3) == 3
        assert await journal.waiting("default", "other", most=3) == 0

    async def test_who_waits_rises_a_level_a_minute_so_that_nobody_starves(self, journal: Journal) -> None:
        await journal.accept(request(1, priority=2, accepted_at_us=0))
        await journal.accept(request(2, priority=1, accepted_at_us=LEVEL_US - 1))
        await journal.accept(request(3, priority=0, accepted_at_us=2 * LEVEL_US + 1))
        await journal.accept(request(4, priority=0, accepted_at_us=2 * LEVEL_US - 2))
        assert [held.id[-1] for held in await journal.pending("default", "echo")] == ["4", "2", "1", "3"]
        found = await journal.due("default", "echo", now_us=0, furthest_us=9)
        assert [held.id[-1] for held in found] == ["4", "2", "1", "3"]

    async def test_rising_changes_nothing_within_an_ordering_key(self, journal: Journal) -> None:
        await journal.accept(request(1, priority=2, accepted_at_us=5 * LEVEL_US, lane="a"))
        await journal.accept(request(2, priority=0, accepted_at_us=0, lane="a"))
        assert [held.id[-1] for held in await journal.due("default", "echo", now_us=0, furthest_us=9)] == ["1"]
        assert await journal.lease("req_0002", "me", 99) is None

    async def test_the_holder_of_a_key_is_found(self, journal: Journal) -> None:
        first = request(1, key="k", agent_id="agt_1", fingerprint="f")
        await journal.accept(first)
        assert await journal.by_key("default", "echo", "agt_1", "k") == first
        assert await journal.by_key("other", "echo", "agt_1", "k") is None
        assert await journal.by_key("default", "x", "agt_1", "k") is None
        assert await journal.by_key("default", "echo", "agt_2", "k") is None
        assert await journal.by_key("default", "echo", "agt_1", "l") is None

    async def test_what_waits_for_its_time_is_not_due_and_keeps_nobody_waiting(self, journal: Journal) -> None:
        for n, when in ((1, 100), (2, 0), (3, 200)):
            await journal.accept(request(n, not_before_us=when))
        times = ((50, 150, "23"), (99, 300, "2"), (100, 300, "12"), (250, 300, "123"))
        for now, furthest, ids in times:
            found = await journal.due("default", "echo", now_us=now, furthest_us=furthest)
            assert "".join(held.id[-1] for held in found) == ids

    async def test_of_a_lane_one_is_in_flight_at_a_time_in_the_order_of_acceptance(self, journal: Journal) -> None:
        async def due() -> str:
            return "".join(held.id[-1] for held in await journal.due("default", "echo", now_us=9, furthest_us=9))

        for n, lane in ((3, "a"), (1, "a"), (2, "b"), (4, "")):
            await journal.accept(request(n, lane=lane))
        await journal.accept(request(5, agent="other", lane="a"))
        assert await due() == "234"
        assert await journal.lease("req_0001", "me", 99) is None
        first = await journal.lease("req_0003", "me", 99)
        assert first is not None
        assert await journal.lease("req_0001", "me", 99) is None
        assert await due() == "24"
        assert await journal.release("req_0003", first.fence, RequestState.PENDING, outcome="x", not_before_us=50)
        assert await journal.lease("req_0001", "me", 99) is None
        first = await journal.lease("req_0003", "me", 99)
        assert first is not None
        assert await journal.complete("req_0003", first.fence, response())
        assert await due() == "124"
        second = await journal.lease("req_0001", "me", 99)
        assert second is not None
        assert await journal.replay("req_0003") is not None
        assert await journal.lease("req_0003", "me", 99) is None
        assert await journal.lease("req_0005", "me", 99) is not None

    async def test_of_many_that_lease_at_once_in_a_lane_one_gets_it(self, journal: Journal) -> None:
        for n in range(1, 9):
            await journal.accept(request(n, lane="a"))
        leased = await asyncio.gather(*(journal.lease(f"req_{n:04d}", "me", 99) for n in range(8, 0, -1)))
        assert [one.id for one in leased if one] == ["req_0001"]

    async def test_one_that_waits_is_given_up_whosever_turn_it_is(self, journal: Journal) -> None:
        for n in (1, 2):
            await journal.accept(request(n, lane="a", outcome="away"))
        assert await journal.abandon("req_0002", RequestState.FAILED, outcome="late")
        held = await journal.get("req_0002")
        assert held is not None
        assert (held.state, held.outcome) == (RequestState.FAILED, "late")
        assert not await journal.abandon("req_0002", RequestState.DEAD, outcome="later")
        assert not await journal.abandon("req_none", RequestState.DEAD, outcome="later")
        assert await journal.lease("req_0001", "me", 99) is not None
        assert not await journal.abandon("req_0001", RequestState.DEAD, outcome="later")
        assert (await journal.counts())[RequestState.FAILED] == 1
        assert await journal.replay("req_0002") is not None

    async def test_the_nearest_deadline_comes_first(self, journal: Journal) -> None:
        for n, deadline in ((1, 300), (2, 0), (3, 100), (4, 200)):
            await journal.accept(request(n, deadline_us=deadline))
        await journal.accept(flying(5, deadline_us=50))
        assert [held.id[-1] for held in await journal.expiring()] == ["3", "4", "1"]
        assert [held.id[-1] for held in await journal.expiring(limit=1)] == ["3"]

    async def test_the_last_answer_of_one_given_up_is_kept_until_it_is_replayed(self, journal: Journal) -> None:
        await journal.accept(flying())
        last = replace(response(b"busy"), status=503)
        assert await journal.release("req_0001", 1, RequestState.DEAD, outcome="given up", response=last)
        held = await journal.get("req_0001")
        assert held is not None
        assert (held.state, held.response) == (RequestState.DEAD, last)
        replayed = await journal.replay("req_0001")
        assert replayed is not None
        assert replayed.response is None

    async def test_lists_are_newest_first_filtered_in_pages_and_without_bytes(self, journal: Journal) -> None:
        for n in range(1, 6):
            await journal.accept(flying(n) if n % 2 else request(n, agent="other"))
        await journal.complete("req_0003", 1, response())
        await journal.accept(request(9, namespace="other"))

        async def ids(wanted: Wanted = ALL, *, after: str = "", limit: int = 100) -> list[int]:
            return [int(held.id[4:]) for held in await journal.list("default", wanted, after=after, limit=limit)]

        assert await ids() == [5, 4, 3, 2, 1]
        assert await ids(limit=2) == [5, 4]
        assert await ids(after="req_0004", limit=2) == [3, 2]
        assert await ids(Wanted(agent="other")) == [4, 2]
        assert await ids(Wanted(state="completed")) == [3]
        [entry] = await journal.list("default", Wanted(state="completed"))
        assert (entry.body, entry.response and entry.response.body) == (Body(size=5), Body(size=4))

    async def test_every_state_is_counted(self, journal: Journal) -> None:
        assert set((await journal.counts()).values()) == {0}
        for n in range(1, 5):
            await journal.accept(flying(n))
        await journal.accept(request(5))
        await journal.complete("req_0001", 1, response())
        await journal.release("req_0002", 1, RequestState.DEAD, outcome="x")
        await journal.release("req_0003", 1, RequestState.FAILED, outcome="x")
        assert set((await journal.counts()).values()) == {1}
        await journal.replay("req_0001")
        found = await journal.counts()
        assert (found[RequestState.PENDING], found[RequestState.COMPLETED]) == (2, 0)

    async def test_many_at_once_are_all_there(self, journal: Journal) -> None:
        accepted = await asyncio.gather(*(journal.accept(flying(n)) for n in range(200)))
        assert len({one.id for one in accepted}) == 200
        done = await asyncio.gather(*(journal.complete(f"req_{n:04d}", 1, response()) for n in range(200)))
        assert all(done)
        assert (await journal.counts())[RequestState.COMPLETED] == 200

    async def test_a_note_is_found_again(self, journal: Journal) -> None:
        assert await journal.get_note("routes") is None
        await journal.put_note("routes", b"\0one")
        await journal.put_note("routes", b"\0two")
        assert await journal.get_note("routes") == b"\0two"
        assert list((await journal.notes("routes")).values()) == [b"\0two"]
        assert await journal.notes("none") == {}

    async def test_text_from_strangers_does_not_stop_the_journal(self, journal: Journal) -> None:
        odd = "caf\xe9 \u2028 \U0001f600 ' \\ \" {a,b} %s $1"
        await journal.accept(flying(outcome=odd, target=odd, key=odd))
        answer = replace(response(), reason=odd, headers=((b"X", bytes(range(11, 256))),))
        assert await journal.complete("req_0001", 1, answer)
        held = await journal.get("req_0001")
        assert held is not None
        assert (held.target, held.key, held.response) == (odd, odd, answer)

    async def test_in_words_a_journal_that_answers_is_not_away(self, journal: Journal) -> None:
        await journal.accept(request())
        assert journal.away() == ""

    async def test_closing_twice_is_fine_and_a_closed_one_accepts_nothing(self, journal: Journal) -> None:
        await journal.close()
        await journal.close()
        with pytest.raises(Unavailable):
            await journal.accept(request())
