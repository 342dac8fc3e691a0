# SPDX-License-Identifier: Apache-2.0
"""The journal on a real PostgreSQL: the same as every other, and what only several gateways on one can do."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from homeport.drivers.journals.postgres import Options, PostgresJournal
from homeport.drivers.journals.postgres.journal import COPYING
from homeport.drivers.journals.postgres.schema import MIGRATIONS, SCHEMA
from homeport.errors import Conflict, HomeportError, Unavailable, UsageError
from homeport.model.request import Body, RequestState
from homeport.testing.conformance.journal import JournalSuite, flying, request, response
from homeport.testing.conformance.journal_kept import KeptSuite
from homeport.testing.conformance.journal_outbox import OutboxSuite
from homeport.testing.servers.postgres import PostgresServer

Opener = Callable[..., Awaitable[PostgresJournal]]


@pytest.fixture(scope="module")
def one_database(postgres: PostgresServer) -> str:
    """Making one takes a second; emptying it takes none."""
    return postgres.create_database()


@pytest.fixture
def database(one_database: str, postgres: PostgresServer) -> str:
    postgres.query(name_of(one_database), f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    return one_database


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Opener]:
    made: list[PostgresJournal] = []

    async def opener(owner: str = "me", **options: object) -> PostgresJournal:
        journal = PostgresJournal(Options(database, owner), **options)  # type: ignore[arg-type]
        await journal.open()
        made.append(journal)
        return journal

    yield opener
    for journal in made:
        await journal.close()


class TestPostgresJournal(JournalSuite, KeptSuite, OutboxSuite):
    @pytest.fixture
    async def journal(self, opened):
        return await opened()

    async def test_everything_is_there_after_it_was_opened_again(self, opened) -> None:
        journal = await opened()
        await journal.accept(flying(1))
        journal.complete("req_0001", 1, response())
        await journal.accept(request(2, key="k"))
        await journal.close()
        journal = await opened()
        held = await journal.get("req_0001")
        assert held is not None
        assert held.response == response()
        assert (await journal.accept(request(3, key="k"))).id == "req_0002"
        assert sum((await journal.counts()).values()) == 2

    async def test_text_that_no_database_holds_is_replaced_not_refused(self, journal) -> None:
        await journal.accept(flying())
        assert await journal.release("req_0001", 1, RequestState.FAILED, outcome="a\0b\ud800c")
        held = await journal.get("req_0001")
        assert held.outcome == "a\ufffdb?c"

    async def test_one_bad_write_in_a_batch_does_not_take_the_others_with_it(self, journal) -> None:
        good = [journal.accept(request(n)) for n in (1, 2)]
        bad = journal.accept(request(3, attempts=2**80))
        good.append(journal.accept(request(4)))
        with pytest.raises(HomeportError, match="the journal cannot be used"):
            await bad
        assert [(await one).id for one in good] == ["req_0001", "req_0002", "req_0004"]
        assert sum((await journal.counts()).values()) == 3

    async def test_writes_to_one_request_take_effect_in_the_order_of_the_calls_within_a_batch(self, journal) -> None:
        first, again = journal.accept(flying(1, key="k")), journal.accept(request(2, key="k"))
        done = journal.complete("req_0001", 1, response())
        late = journal.complete("req_0001", 1, response(b"late"))
        assert (await first).existing is None
        assert (await again).id == "req_0001"
        assert (await done, await late) == (True, False)


class TestSeveralGateways:
    async def test_a_key_is_held_once_however_many_gateways_take_it_at_once(self, opened) -> None:
        one, other = await opened("one"), await opened("other")
        keys = [f"k{n}" for n in range(60)]
        sent = [one.accept(request(n, key=key)) for n, key in enumerate(keys)]
        sent += [other.accept(request(1000 + n, key=key)) for n, key in reversed(list(enumerate(keys)))]
        told = await asyncio.gather(*sent)
        assert sum(accepted.existing is None for accepted in told) == 60
        assert sum((await one.counts()).values()) == 60
        for n, key in enumerate(keys):
            assert (await one.accept(request(5000 + n, key=key))).id in (f"req_{n:04d}", f"req_{1000 + n:04d}")

    async def test_a_lease_is_won_by_one_of_them(self, opened) -> None:
        journals = [await opened(f"g{n}") for n in range(3)]
        await asyncio.gather(*(journals[0].accept(request(n)) for n in range(50)))

        async def take(journal: PostgresJournal, owner: str) -> list[str]:
            won = await asyncio.gather(*(journal.lease(f"req_{n:04d}", owner, 10**16) for n in range(50)))
            return [held.id for held in won if held is not None]

        won = await asyncio.gather(*(take(journal, f"g{n}") for n, journal in enumerate(journals)))
        times = Counter(id_ for ids in won for id_ in ids)
        assert set(times.values()) == {1}
        assert len(times) == 50
        counts = await journals[1].counts()
        assert (counts[RequestState.PENDING], counts[RequestState.IN_FLIGHT]) == (0, 50)

    async def test_an_answer_of_one_whose_lease_was_judged_comes_too_late(self, opened) -> None:
        one, other = await opened("one"), await opened("other")
        await one.accept(flying(lease_owner="one", lease_until_us=50))
        (held,) = await other.interrupted(owner="other", now_us=10**9)
        assert await other.release(held.id, held.fence, RequestState.PENDING, outcome="its gateway is gone")
        assert not await one.complete("req_0001", 1, response())
        leased = await other.lease("req_0001", "other", 10**16)
        assert leased.fence == 2
        assert not await one.complete("req_0001", 1, response())
        assert await one.renew([("req_0001", 1)], "one", 10**16) == set()
        assert await other.complete("req_0001", 2, response(b"new"))
        assert (await one.get("req_0001")).response == response(b"new")

    async def test_after_a_restart_its_own_are_its_own_and_not_those_of_others(self, opened) -> None:
        one = await opened("one")
        await opened("other")
        await one.accept(flying(1, lease_owner="one", lease_until_us=10**16))
        await one.accept(flying(2, lease_owner="other", lease_until_us=10**16))
        assert [held.id for held in await one.interrupted(owner="one", now_us=0)] == ["req_0001"]

    @pytest.mark.parametrize("hours", [-2, 2])
    async def test_machines_whose_clocks_differ_agree_on_which_lease_is_over(self, opened, hours: int) -> None:
        def wrong() -> int:
            return time.time_ns() // 1000 + hours * 3600 * 10**6

        def right() -> int:
            return time.time_ns() // 1000

        one, other = await opened("one", now_us=wrong), await opened("other", now_us=right)
        await one.accept(flying(1, lease_owner="one", lease_until_us=wrong() + 60 * 10**6))
        await one.accept(flying(2, lease_owner="one", lease_until_us=wrong() - 60 * 10**6))
        assert [held.id for held in await other.interrupted(owner="", now_us=right())] == ["req_0002"]
        assert [held.id for held in await one.interrupted(owner="", now_us=wrong())] == ["req_0002"]
        later = right() + 120 * 10**6
        assert len(await other.interrupted(owner="", now_us=later)) == 2
        (first, _) = await other.interrupted(owner="", now_us=later)
        assert abs(first.lease_until_us - right() - 60 * 10**6) < 30 * 10**6

    async def test_a_clock_that_is_set_while_it_serves_changes_no_lease(self, opened) -> None:
        ahead = [0]

        def clock() -> int:
            return time.time_ns() // 1000 + ahead[0]

        one, other = await opened("one", now_us=clock), await opened("other")
        for n, jump in enumerate((0, 3600 * 10**6, -3600 * 10**6)):
            ahead[0] = jump
            await one.accept(flying(n, lease_owner="one", lease_until_us=clock() + 60 * 10**6))
            await other.accept(flying(n + 10, lease_owner="other", lease_until_us=time.time_ns() // 1000 + 60 * 10**6))
            assert await other.interrupted(owner="", now_us=time.time_ns() // 1000) == []
            assert await one.interrupted(owner="", now_us=clock()) == []
        later = time.time_ns() // 1000 + 90 * 10**6
        assert len(await other.interrupted(owner="", now_us=later)) == 6

    async def test_each_has_notes_of_its_own_and_reads_those_of_all(self, opened) -> None:
        one, other = await opened("one"), await opened("other")
        await one.put_note("routes", b"1")
        await other.put_note("routes", b"2")
        assert (await one.get_note("routes"), await other.get_note("routes")) == (b"1", b"2")
        assert await one.notes("routes") == {"one": b"1", "other": b"2"}

    async def test_two_by_one_name_are_told_so(self, opened) -> None:
        one = await opened("one")
        with pytest.raises(Conflict, match="another gateway by the name 'one'") as caught:
            await opened("one")
        assert "HOMEPORT_NODE" in caught.value.hint
        await one.accept(request())
        await one.close()
        assert await (await opened("one")).get("req_0001") == request()

    async def test_nobody_copies_a_database_while_a_gateway_works_on_it_nor_opens_one_that_is_copied(
        self, opened, database: str
    ) -> None:
        one = await opened("one")
        with psycopg.connect(database, autocommit=True) as copier:
            ask = "SELECT pg_try_advisory_lock(%s)"
            assert copier.execute(ask, (COPYING,)).fetchone() == (False,)
            await one.close()
            # Waits: the server lets go of what a connection held a moment after that has gone.
            copier.execute("SET lock_timeout = '30s'")
            copier.execute("SELECT pg_advisory_lock(%s)", (COPYING,))
            with pytest.raises(Unavailable, match="being copied"):
                await opened("one")
            assert copier.execute("SELECT pg_advisory_unlock(%s)", (COPYING,)).fetchone() == (True,)
        await (await opened("one")).accept(request())

    async def test_several_that_open_a_new_database_at_once_all_succeed(self, opened) -> None:
        journals = await asyncio.gather(*(opened(f"g{n}") for n in range(5)))
        await journals[4].accept(request())
        assert await journals[0].get("req_0001") == request()


class TestLargeBodies:
    async def test_what_one_puts_on_the_shelf_another_takes_from_it(self, opened, tmp_path: Path) -> None:
        one, other = await opened("one"), await opened("other")
        data = bytes(range(256)) * 10_000 + b"end"
        (tmp_path / "in").write_bytes(data)
        for _ in range(2):  # repeating it is harmless
            await one.shelf.put("req_1.request", tmp_path / "in")
        assert await other.shelf.fetch("req_1.request", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == data
        assert await other.shelf.head("req_1.request", 300) == data[:300]
        await other.shelf.remove("req_1.request")
        await other.shelf.remove("req_1.request")
        assert not await one.shelf.fetch("req_1.request", tmp_path / "gone")
        assert not (tmp_path / "gone").exists()
        assert await one.shelf.head("req_1.request", 5) == b""

    async def test_orphans_are_those_of_a_former_life_that_no_request_names(self, opened, tmp_path: Path) -> None:
        one, other = await opened("one"), await opened("other")
        file = tmp_path / "in"
        file.write_bytes(b"x" * 100)
        names = ["req_0001.request", "req_0001.1.answer", "req_0001.2.answer", "req_0002.request"]
        for name in names:
            await one.shelf.put(name, file)
        await other.shelf.put("req_0009.request", file)
        await one.accept(flying(1, body=Body(b"", names[0], 100)))
        await one.complete("req_0001", 1, replace(response(), body=Body(b"", names[1], 100)))
        assert sorted(await one.shelf.orphans()) == names[2:]
        assert await other.shelf.orphans() == ["req_0009.request"]


class TestOpening:
    async def test_a_newer_database_is_refused_unchanged(self, opened, postgres: PostgresServer, database: str) -> None:
        await (await opened()).close()
        name = name_of(database)
        postgres.query(name, f"INSERT INTO {SCHEMA}.migrations (number) VALUES (99)")
        with pytest.raises(HomeportError, match="written by a newer Homeport") as caught:
            await opened()
        assert caught.value.hint
        assert postgres.query(name, f"SELECT count(*) FROM {SCHEMA}.migrations") == str(len(MIGRATIONS) + 1)

    async def test_a_server_that_is_not_there_is_named_without_its_password(self, tmp_path: Path) -> None:
        url = f"postgresql://someone:SECRET@/db?host={tmp_path}"
        journal = PostgresJournal(Options(url, "me"))
        with pytest.raises(Unavailable) as caught:
            await journal.open()
        shown = f"{caught.value.to_dict()} {Options(url, 'me')!r} {caught.value.__cause__}"
        assert "SECRET" not in shown
        assert str(tmp_path) in shown
        await journal.close()

    @pytest.mark.parametrize("url", ["", "mysql://u:SECRET@h/d", "postgresql://u:SECRET@h:port/d?x=y", "host=x"])
    def test_an_address_that_makes_no_sense_is_refused_without_repeating_it(self, url: str) -> None:
        with pytest.raises(UsageError) as caught:
            PostgresJournal(Options(url, "me"))
        assert "SECRET" not in f"{caught.value.to_dict()} {caught.value.__cause__}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None

    async def test_a_database_without_unicode_is_refused(self, postgres: PostgresServer, database: str) -> None:
        postgres.query(
            "postgres", "CREATE DATABASE plain ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        )
        journal = PostgresJournal(Options(database.replace(name_of(database), "plain"), "me"))
        with pytest.raises(HomeportError, match="LATIN1"):
            await journal.open()
        await journal.close()
