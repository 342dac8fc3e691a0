# SPDX-License-Identifier: Apache-2.0
"""What every Journal does about what it keeps: narrowed listings, sums, forgetting. Beside `journal.JournalSuite`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from homeport.interfaces.journal import Journal
from homeport.model.kept import Forgotten, Usage, Wanted
from homeport.model.request import Body, RequestState
from homeport.testing.conformance.journal import flying, request, response


class KeptSuite:
    async def test_a_listing_is_narrowed_by_method_key_status_and_time(self, journal: Journal) -> None:
        await journal.accept(request(1, method="GET"))
        await journal.accept(request(2, key="k"))
        await journal.accept(flying(3))
        await journal.complete("req_0003", 1, replace(response(), status=503))

        async def ids(**wanted: Any) -> list[str]:
            return [found.id for found in await journal.list("default", Wanted(**wanted))]

        assert await ids(method="GET") == ["req_0001"]
        assert await ids(key="k") == ["req_0002"]
        assert await ids(status=5) == ["req_0003"]
        assert await ids(status=200) == []
        assert await ids(since_us=2) == ["req_0003", "req_0002"]
        assert await ids(since_us=2, until_us=3) == ["req_0002"]
        assert await ids(status=503, method="POST", state="completed") == ["req_0003"]
        assert [found.id for found in await journal.list("default", newer="req_0001")] == ["req_0002", "req_0003"]
        assert [found.id for found in await journal.list("default", newer="req_0001", limit=1)] == ["req_0002"]

    async def test_what_is_kept_is_told_by_agent(self, journal: Journal) -> None:
        assert await journal.usage() == {}
        await journal.accept(request(1))
        await journal.accept(flying(2))
        await journal.accept(flying(3))
        await journal.accept(flying(4, agent="other", body=Body(b"", "req_0004.request", 10**9)))
        await journal.complete("req_0002", 1, response())
        await journal.release("req_0003", 1, RequestState.DEAD, outcome="gone")
        await journal.complete("req_0004", 1, response())
        assert await journal.usage() == {
            ("default", "echo"): Usage(3, 19, 2, 10),
            ("default", "other"): Usage(1, 10**9 + 4, 0, 0),
        }

    async def test_what_is_over_says_since_when(self, journal: Journal) -> None:
        await journal.accept(request(1))
        for n in (2, 3, 4):
            await journal.accept(flying(n))
        await journal.complete("req_0002", 1, response())
        await journal.release("req_0003", 1, RequestState.DEAD, outcome="gone", not_before_us=9 * 10**12)
        await journal.release("req_0004", 1, RequestState.FAILED, outcome="refused")
        found = await journal.finished()
        assert [(one.id, one.state, one.settled_at_us, one.bytes) for one in found] == [
            ("req_0002", RequestState.COMPLETED, 7, 9),
            ("req_0003", RequestState.DEAD, 9 * 10**12, 5),
            ("req_0004", RequestState.FAILED, 4, 5),
        ]
        assert await journal.finished(after="req_0002", limit=1) == found[1:2]

    async def test_only_what_is_finished_is_forgotten_with_its_key_and_its_bodies(self, journal: Journal) -> None:
        await journal.accept(request(1))
        await journal.accept(flying(2))
        await journal.accept(flying(3, key="k", body=Body(b"", "req_0003.request", 10**6)))
        await journal.accept(flying(4, body=Body(b"x" * 5000, "", 5000)))
        await journal.complete("req_0003", 1, replace(response(), body=Body(b"", "req_0003.1.answer", 10**6)))
        await journal.release("req_0004", 1, RequestState.DEAD, outcome="gone")
        ids = ["req_0001", "req_0002", "req_0003", "req_0004", "req_none"]
        done = await forget_all(journal, ids)
        assert (done.handled, done.removed) == (5, 2)
        assert sorted(done.bodies) == ["req_0003.1.answer", "req_0003.request"]
        assert [found.id for found in await journal.list("default")] == ["req_0002", "req_0001"]
        counts = await journal.counts()
        assert {state: n for state, n in counts.items() if n} == {RequestState.PENDING: 1, RequestState.IN_FLIGHT: 1}
        assert (await journal.accept(request(5, key="k"))).existing is None
        assert (await forget_all(journal, ids)).removed == 0

    async def test_forgetting_ends_while_others_write(self, journal: Journal) -> None:
        for n in range(300):
            journal.accept(flying(n))
            await journal.complete(f"req_{n:04d}", 1, response())
        forgetting = asyncio.ensure_future(forget_all(journal, [f"req_{n:04d}" for n in range(300)]))
        accepted = [await journal.accept(request(1000 + n)) for n in range(50)]
        assert (await forgetting).removed == 300
        assert len(accepted) == 50
        assert sum((await journal.counts()).values()) == 50
        assert await journal.finished() == []


async def forget_all(journal: Journal, ids: list[str]) -> Forgotten:
    """Slice after slice, as one."""
    done = Forgotten()
    while done.handled < len(ids):
        more = await journal.forget(ids[done.handled :])
        assert more.handled > 0
        done = Forgotten(done.handled + more.handled, done.removed + more.removed, done.bodies + more.bodies)
    return done
