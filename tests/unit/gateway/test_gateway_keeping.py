# SPDX-License-Identifier: Apache-2.0
"""Ages, quotas and what is refused, on a gateway with a real journal and real bodies on disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway_rig import rig, until
from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.errors import StorageFull, UsageError
from homeport.gateway.core.retention import retention
from homeport.gateway.keeping import Keeping
from homeport.gateway.spool import Spool
from homeport.model.kept import DAY_S, Retention, Rule
from homeport.model.request import RequestState
from homeport.testing.conformance.journal import flying, request, response
from homeport.testing.journals import MemoryJournal

FOREVER = Rule(0, 0, 0, 0, 0)
NOW_US = 100 * int(DAY_S * 1e6)


class Clock:
    def now_us(self) -> int:
        return NOW_US

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Kept:
    journal: SqliteJournal
    spool: Spool
    keeping: Keeping

    async def over(
        self, n: int, state: RequestState = RequestState.COMPLETED, days: float = 1, **change: object
    ) -> None:
        """One that was over so many days ago."""
        at_us = NOW_US - int(days * DAY_S * 1e6)
        await self.journal.accept(flying(n, accepted_at_us=at_us, **change))
        if state is RequestState.COMPLETED:
            await self.journal.complete(f"req_{n:04d}", 1, replace(response(), at_us=at_us))
        else:
            await self.journal.release(f"req_{n:04d}", 1, state, outcome="so it was", not_before_us=at_us)

    async def left(self) -> list[int]:
        return sorted(int(one.id[4:]) for one in await self.journal.list("default", limit=1000))


@asynccontextmanager
async def kept(home: Path, rule: Rule, *exceptions: tuple[str, Rule]) -> AsyncIterator[Kept]:
    journal, spool = SqliteJournal(Options(home / "journal.db")), Spool(home / "spool")
    try:
        yield Kept(journal, spool, Keeping(journal, spool, Clock(), Retention(rule, exceptions)))  # type: ignore[arg-type]
    finally:
        await journal.close()


async def test_each_state_has_an_age_of_its_own(tmp_path: Path) -> None:
    async with kept(tmp_path, Rule()) as house:
        await house.over(1, days=8)
        await house.over(2, days=6)
        await house.over(3, RequestState.FAILED, days=8)
        await house.over(4, RequestState.DEAD, days=29)
        await house.over(5, RequestState.DEAD, days=31)
        await house.journal.accept(request(6, accepted_at_us=1))
        await house.journal.accept(flying(7, accepted_at_us=1))
        assert await house.keeping.sweep() == 3
        assert await house.left() == [2, 4, 6, 7]
        assert await house.keeping.sweep() == 0


async def test_the_age_of_an_answer_counts_from_the_answer(tmp_path: Path) -> None:
    async with kept(tmp_path, Rule()) as house:
        await house.journal.accept(flying(1, accepted_at_us=1))
        await house.journal.complete("req_0001", 1, replace(response(), at_us=NOW_US - 5))
        await house.keeping.sweep()
        assert await house.left() == [1]


async def test_a_quota_takes_the_oldest_answered_then_the_failed_and_never_the_unanswered_or_dead(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path, replace(FOREVER, requests=20)) as house:
        for n in range(10):
            await house.over(n, RequestState.FAILED if n < 2 else RequestState.DEAD)
        for n in range(10, 14):
            await house.over(n)
        for n in range(14, 22):
            await house.journal.accept(request(n))
        assert await house.keeping.sweep() == 3
        assert await house.left() == [*range(10), 13, *range(14, 22)]
        for n in range(22, 27):
            await house.journal.accept(request(n))
        assert await house.keeping.sweep() == 3
        assert await house.left() == [*range(2, 10), *range(14, 27)]
        assert await house.keeping.sweep() == 0


async def test_an_answer_that_just_came_is_not_taken_by_a_quota(tmp_path: Path) -> None:
    async with kept(tmp_path, replace(FOREVER, requests=1)) as house:
        for n in range(3):
            await house.over(n, days=0)
        assert await house.keeping.sweep() == 0


async def test_a_quota_of_bytes_frees_the_files_of_large_bodies(tmp_path: Path) -> None:
    async with kept(tmp_path, replace(FOREVER, bytes=2_500_000), ("*/other", FOREVER)) as house:
        for n in range(4):
            writer = house.spool.writer(f"req_{n:04d}.request")
            writer.write(b"x" * 1_000_000)
            await house.over(n, body=await writer.finish(), agent="other" if n == 0 else "echo")
        assert await house.keeping.sweep() == 1
        assert await house.left() == [0, 2, 3]
        assert await house.spool.names() == ["req_0000.request", "req_0002.request", "req_0003.request"]


async def test_a_full_agent_is_refused_and_its_neighbour_is_not(tmp_path: Path) -> None:
    async with kept(tmp_path, replace(FOREVER, requests=3)) as house:
        for n in range(3):
            await house.over(n, RequestState.DEAD)
        await house.keeping.sweep()
        refusal = house.keeping.refusal(("default", "echo"), 5)
        assert refusal is not None and refusal.status == 507 and "dead list --agent echo" in refusal.hint
        assert house.keeping.refusal(("default", "other"), 5) is None
        await house.keeping.forget([f"req_{n:04d}" for n in range(3)])
        await house.keeping.sweep()
        assert house.keeping.refusal(("default", "echo"), 5) is None


async def test_what_only_may_be_too_many_is_looked_at_before_anybody_is_refused(tmp_path: Path) -> None:
    async with kept(tmp_path, replace(FOREVER, requests=3)) as house:
        assert [house.keeping.refusal(("default", "echo"), 5) for _ in range(9)] == [None] * 9


async def test_a_body_larger_than_the_whole_quota_is_refused_and_smaller_ones_are_not(tmp_path: Path) -> None:
    async with kept(tmp_path, replace(FOREVER, bytes=1000)) as house:
        refusal = house.keeping.refusal(("default", "echo"), 1001)
        assert refusal is not None and "whole quota" in refusal.message
        assert house.keeping.refusal(("default", "echo"), 900) is None


async def test_a_pass_on_a_full_disk_removes_nothing_and_the_next_one_does() -> None:
    journal = MemoryJournal()
    keeping = Keeping(journal, None, Clock(), Retention(Rule()))  # type: ignore[arg-type]
    await journal.accept(flying(1))
    await journal.complete("req_0001", 1, response())
    journal.full = True
    with pytest.raises(StorageFull):
        await keeping.sweep()
    journal.full = False
    assert await keeping.sweep() == 1


async def test_a_key_is_answered_from_the_journal_until_its_request_is_forgotten(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        first = await house.call("POST", body=b"hello", Idempotency_Key="k")
        await until(lambda: _completed(house))
        again = await house.call("POST", body=b"hello", Idempotency_Key="k")
        assert (again.body, again.get("idempotent-replayed"), len(house.agent.seen)) == (first.body, "true", 1)
        assert await house.control.forget([first.get("x-homeport-request-id") or ""]) == 1
        assert await house.control.requests() == []
        fresh = await house.call("POST", body=b"hello", Idempotency_Key="k")
        assert (fresh.status, fresh.get("idempotent-replayed"), len(house.agent.seen)) == (200, None, 2)


async def test_a_caller_of_a_full_agent_is_told_what_to_do(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        house.gateway._tools.keeping.retention = Retention(replace(FOREVER, requests=2))
        await house.routes(house.route(ready=False, endpoint="", reason="it is stopped"))
        assert [(await house.call("POST", body=b"x")).status for _ in range(2)] == [202, 202]
        await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(house.gateway._tools.keeping.sweep(), house.gateway._tickers[0].get_loop())
        )
        refused = await house.call("POST", body=b"x")
        assert refused.status == 507
        assert "HOMEPORT_RETENTION_REQUESTS" in refused.json()["error"]["hint"]
        assert len(await house.control.requests()) == 2
        assert list((tmp_path / "spool").iterdir()) == []


async def _completed(house: object) -> bool:
    return [one["state"] for one in await house.control.requests()] == ["completed"]  # type: ignore[attr-defined]


def test_ages_and_quotas_are_read_from_words() -> None:
    found = retention(
        {"completed": "12h", "dead": "0", "requests": "5", "bytes": "500MiB", "failed": ""},
        "prod/*: completed=30d, bytes=1GB; */mail: requests=0",
    )
    assert found.rule == Rule(43_200, 7 * DAY_S, 0, 5, 500 << 20)
    assert found.of("prod", "mail") == Rule(30 * DAY_S, 7 * DAY_S, 0, 5, 10**9)
    assert found.of("test", "mail").requests == 0
    assert found.of("test", "other") == found.rule


@pytest.mark.parametrize(
    ("given", "agents"),
    [
        ({"completed": "soon"}, ""),
        ({"bytes": "-1"}, ""),
        ({"requests": "1e3"}, ""),
        ({"requests": "٣"}, ""),
        ({}, "mail: requests=1"),
        ({}, "a/b: requests"),
        ({}, "a/b: colour=1"),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, str], agents: str) -> None:
    with pytest.raises(UsageError, match="HOMEPORT_RETENTION_[A-Z]+: ") as caught:
        retention(given, agents)
    assert caught.value.hint
