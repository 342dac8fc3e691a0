# SPDX-License-Identifier: Apache-2.0
"""The PostgreSQL journal and the one in memory never disagree, whatever is asked of it and whenever it is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from homeport.drivers.journals.postgres import Options, PostgresJournal
from homeport.drivers.journals.postgres.schema import SCHEMA
from homeport.interfaces.journal import Journal
from homeport.testing.servers.postgres import PostgresServer
from journal_machine import JournalMachine, thorough


class PostgresJournalMachine(JournalMachine):
    """`server` and `url` are set by the test."""

    server: PostgresServer
    url: str

    async def opened(self) -> Journal:
        self.name = self.url.partition("?")[0].rpartition("/")[2]
        self.server.query(self.name, f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        journal = PostgresJournal(Options(self.url, "me"))
        await journal.open()
        return journal

    @rule(how=st.sampled_from(["stop", "kill", "cut"]), reads_first=st.booleans())
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
            self.both("queues")


PostgresJournalMachine.TestCase.settings = thorough(examples=6, steps=20)


class TestPostgresJournalModel(PostgresJournalMachine.TestCase):  # type: ignore[name-defined,misc]
    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        """A server of its own: it is stopped and killed."""
        with PostgresServer() as server:
            PostgresJournalMachine.server, PostgresJournalMachine.url = server, server.create_database()
            yield
