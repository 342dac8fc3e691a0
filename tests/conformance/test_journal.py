# SPDX-License-Identifier: Apache-2.0
"""Every Journal driver, and the fake, does the same."""

from __future__ import annotations

import sqlite3

import pytest

from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.drivers.journals.sqlite.schema import MIGRATIONS
from homeport.errors import Conflict, HomeportError
from homeport.testing.conformance.journal import JournalSuite, flying, request, response
from homeport.testing.conformance.journal_kept import KeptSuite
from homeport.testing.conformance.journal_outbox import OutboxSuite
from homeport.testing.journals import MemoryJournal


class TestMemoryJournal(JournalSuite, KeptSuite, OutboxSuite):
    @pytest.fixture
    async def journal(self):
        journal = MemoryJournal()
        yield journal
        await journal.close()


class TestSqliteJournal(JournalSuite, KeptSuite, OutboxSuite):
    @pytest.fixture
    async def journal(self, tmp_path):
        journal = SqliteJournal(Options(tmp_path / "journal.db"))
        yield journal
        await journal.close()

    async def test_everything_is_there_after_it_was_opened_again(self, tmp_path) -> None:
        options = Options(tmp_path / "again.db")
        journal = SqliteJournal(options)
        await journal.accept(flying(1))
        journal.complete("req_0001", 1, response())
        await journal.accept(request(2, key="k"))
        await journal.close()
        journal = SqliteJournal(options)
        try:
            held = await journal.get("req_0001")
            assert held is not None
            assert held.response == response()
            assert (await journal.accept(request(3, key="k"))).id == "req_0002"
            assert sum((await journal.counts()).values()) == 2
        finally:
            await journal.close()

    async def test_a_second_owner_is_told_so(self, journal, tmp_path) -> None:
        with pytest.raises(Conflict, match="another process owns the journal") as caught:
            SqliteJournal(Options(tmp_path / "journal.db"))
        assert caught.value.hint

    async def test_a_damaged_file_is_named_with_what_to_do(self, tmp_path) -> None:
        path = tmp_path / "broken.db"
        path.write_bytes(b"this is no database" * 1000)
        for _ in range(2):  # the failed opening must not keep the lock
            with pytest.raises(HomeportError, match="is damaged") as caught:
                SqliteJournal(Options(path))
            assert "aside to start with an empty journal" in caught.value.hint
        assert path.read_bytes().startswith(b"this is no database")

    async def test_a_newer_file_is_refused_unchanged(self, tmp_path) -> None:
        path = tmp_path / "newer.db"
        await SqliteJournal(Options(path)).close()
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(HomeportError, match="written by a newer Homeport"):
            SqliteJournal(Options(path))

    async def test_requests_of_the_first_schema_keep_their_keys_and_are_delivered(self, tmp_path) -> None:
        path = tmp_path / "old.db"
        with sqlite3.connect(path) as connection:
            connection.executescript(MIGRATIONS[0])
            connection.execute(
                "INSERT INTO requests (id, namespace, agent, method, target, headers, spool, size, state,"
                " accepted_at_us, key, fingerprint, attempts, fence, lease_owner, lease_until_us, not_before_us,"
                " outcome, body) VALUES ('req_0001','default','notes','POST','/x',x'413a62','',1,'pending',"
                " 7,'k','f',0,0,'',0,0,'',x'61')"
            )
            connection.execute("PRAGMA user_version = 1")
        connection.close()
        journal = SqliteJournal(Options(path))
        try:
            (held,) = await journal.pending("default", "notes")
            assert (held.headers, held.body.inline, held.agent_id) == (((b"A", b"b"),), b"a", "")
            repeated = request(2, key="k", agent="notes", agent_id="agt_1")
            assert (await journal.accept(repeated)).id == "req_0001"
        finally:
            await journal.close()

    async def test_only_its_owner_may_read_it(self, journal, tmp_path) -> None:
        assert (tmp_path / "journal.db").stat().st_mode & 0o077 == 0
