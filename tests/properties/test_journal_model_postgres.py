# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL journal and the one in memory never disagree, whatever is asked of it and whenever it is lost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from homeport.drivers.journals.postgres import Options, PostgresJournal
from homeport.drivers.journals.postgres.schema import SCHEMA
from homeport.model.request import Body, RequestState
from homeport.testing.conformance.journal import flying, request, response
from homeport.testing.journals import MemoryJournal
from homeport.testing.servers.postgres import PostgresServer

NUMBERS = st.integers(1, 5)
FENCES = st.integers(0, 3)
STATES = st.sampled_from([RequestState.PENDING, RequestState.FAILED, RequestState.DEAD])
HOW = st.sampled_from(["stop", "kill", "cut"])


class JournalMachine(RuleBasedStateMachine):
    """`server` and `url` are set by the test."""

    server: PostgresServer
    url: str

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.model = MemoryJournal()
        self.name = self.url.partition("?")[0].rpartition("/")[2]
        self.server.query(self.name, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        self.real = PostgresJournal(Options(self.url, "me"))
        self.loop.run_until_complete(self.real.open())

    def both(self, name: str, *args: object, **kwargs: object) -> None:
        async def ask(journal: object) -> object:
            return await getattr(journal, name)(*args, **kwargs)

        expected = self.loop.run_until_complete(ask(self.model))
        assert self.loop.run_until_complete(ask(self.real)) == expected

    @rule(
        n=NUMBERS,
        key=st.sampled_from(["", "a", "b"]),
        direct=st.booleans(),
        size=st.sampled_from([0, 9, 3000]),
        lane=st.sampled_from(["", "", "=l", "=m"]),
        priority=st.integers(0, 2),
        deadline=st.sampled_from([0, 7, 60]),
    )
    def accept(self, n: int, key: str, direct: bool, size: int, lane: str, priority: int, deadline: int) -> None:
        if f"req_{n:04d}" not in self.model.requests:
            terms = {"key": key, "priority": priority, "deadline_us": deadline, "body": Body(b"z" * size, "", size)}
            self.both("accept", flying(n, **terms) if direct else request(n, lane=lane, **terms))

    @rule(n=NUMBERS)
    def abandon(self, n: int) -> None:
        self.both("abandon", f"req_{n:04d}", RequestState.FAILED, outcome="late")

    @rule(n=NUMBERS, until=st.integers(1, 100))
    def lease(self, n: int, until: int) -> None:
        self.both("lease", f"req_{n:04d}", "you", until)

    @rule(held=st.lists(st.tuples(NUMBERS, FENCES), max_size=3, unique_by=lambda one: one[0]), until=st.integers(1, 99))
    def renew(self, held: list[tuple[int, int]], until: int) -> None:
        self.both("renew", [(f"req_{n:04d}", fence) for n, fence in held], "you", until)

    @rule(n=NUMBERS, fence=FENCES, size=st.sampled_from([0, 9, 3000]))
    def complete(self, n: int, fence: int, size: int) -> None:
        self.both("complete", f"req_{n:04d}", fence, response(b"y" * size))

    @rule(n=NUMBERS, fence=FENCES, state=STATES, later=st.integers(0, 9), attempted=st.booleans())
    def release(self, n: int, fence: int, state: RequestState, later: int, attempted: bool) -> None:
        options = {"outcome": f"o{later}", "not_before_us": later, "attempted": attempted}
        self.both("release", f"req_{n:04d}", fence, state, **options)

    @rule(n=NUMBERS)
    def replay(self, n: int) -> None:
        self.both("replay", f"req_{n:04d}")

    @rule(value=st.binary(max_size=9))
    def note(self, value: bytes) -> None:
        self.both("put_note", "n", value)

    @rule(n=NUMBERS, fence=FENCES, until=st.integers(1, 99))
    def several_at_once(self, n: int, fence: int, until: int) -> None:
        """In one batch, and so perhaps in one transaction: the same as one after the other."""
        id_ = f"req_{n:04d}"
        if id_ in self.model.requests:
            return

        async def ask(journal: MemoryJournal | PostgresJournal) -> list[object]:
            return list(
                await asyncio.gather(
                    journal.accept(request(n)),
                    journal.lease(id_, "you", until),
                    journal.complete(id_, fence, response()),
                    journal.release(id_, 1, RequestState.DEAD, outcome="x"),
                    journal.replay(id_),
                )
            )

        expected = self.loop.run_until_complete(ask(self.model))
        assert self.loop.run_until_complete(ask(self.real)) == expected

    @rule(how=HOW, reads_first=st.booleans())
    def lose(self, how: str, reads_first: bool) -> None:
        """The server restarts, crashes, or cuts our connections: what comes next only takes longer."""
        if how == "cut":
            self.server.query(
                "postgres", f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
            )
        else:
            getattr(self.server, how)()
            self.server.start()
        if reads_first:
            self.both("backlog")

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "real"):
            return
        self.both("counts")
        self.both("backlog")
        self.both("list", "default")
        self.both("pending", "default", "echo")
        self.both("due", "default", "echo", now_us=4, furthest_us=8)
        self.both("waiting", "default", "echo", most=3)
        self.both("expiring")
        self.both("interrupted", owner="me", now_us=50)
        self.both("get_note", "n")
        for n in range(1, 6):
            self.both("get", f"req_{n:04d}")

    def teardown(self) -> None:
        if hasattr(self, "real"):
            self.loop.run_until_complete(self.real.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


JournalMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("JOURNAL_EXAMPLES", "6")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class TestPostgresJournalModel(JournalMachine.TestCase):  # type: ignore[name-defined,misc]
    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        """A server of its own: it is stopped and killed."""
        with PostgresServer() as server:
            JournalMachine.server, JournalMachine.url = server, server.create_database()
            yield
