# SPDX-License-Identifier: Apache-2.0
"""What is still to be told goes along when a journal is copied, and nothing is told twice for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from homeport.drivers.journals import postgres, sqlite
from homeport.drivers.journals.postgres.transfer import JournalPart as PostgresPart
from homeport.drivers.journals.sqlite.transfer import JournalPart as SqlitePart
from homeport.interfaces.transfer import Part, Where
from homeport.model.webhook import HookCount
from homeport.testing.conformance.journal import flying, request, response
from homeport.testing.conformance.journal_outbox import noted, states, take, told


def copy(source: Part, target: Part) -> None:
    try:
        target.put(source.items())
        target.commit()
    finally:
        source.close()
        target.close()


async def test_there_and_back_what_waits_is_the_same(tmp_path: Path, database: str) -> None:
    for name in ("here", "back"):
        (tmp_path / name).mkdir()
    journal = sqlite.SqliteJournal(sqlite.Options(tmp_path / "here" / "journal.db"))
    await journal.accept(flying(1, hooks=told("whk_1", "whk_2")))
    await journal.complete("req_0001", 1, response())
    await journal.accept(request(2, hooks=told("whk_1")))
    await journal.outbox.stop("whk_2", "410", at_us=7)
    (first, _) = await take(journal)
    await journal.outbox.deliver(first.id, "me", code=204, said="ok", at_us=8)
    before = [replace(change, seq=0) for change in await noted(journal)]
    assert [change.standing for change in before] == ["delivered", "waiting", "waiting"]
    await journal.close()

    copy(SqlitePart(Where(tmp_path / "here")), PostgresPart(Where(url=database), write=True))
    there = postgres.PostgresJournal(postgres.Options(database, "me"))
    await there.open()
    assert [change.id for change in await noted(there)] == [change.id for change in before]
    assert await there.outbox.counted() == {"whk_1": HookCount(2, 0), "whk_2": HookCount(0, 2, "410")}
    await there.lease("req_0002", "me", 10**16)
    assert await states(there) == ["in_flight", "completed", "pending", "in_flight"]
    await there.close()

    copy(PostgresPart(Where(url=database)), SqlitePart(Where(tmp_path / "back"), write=True))
    journal = sqlite.SqliteJournal(sqlite.Options(tmp_path / "back" / "journal.db"))
    assert [replace(change, seq=0) for change in await noted(journal)][:3] == before
    await journal.complete("req_0002", 1, response())
    assert await states(journal) == ["in_flight", "completed", "pending", "in_flight", "completed"]
    await journal.close()
