# SPDX-License-Identifier: Apache-2.0
"""Where commits are done, and how the journal's log stays small while nobody waits for that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.drivers.journals.sqlite import Options, SqliteJournal, checkpoints
from homeport.drivers.journals.sqlite.writer import QUICK_S, Pace
from homeport.testing.conformance.journal import flying, request, response


def test_a_disk_is_taken_for_quick_when_it_was_and_not_after_a_stall() -> None:
    pace = Pace()
    for _ in range(31):
        pace.took(QUICK_S / 4)
    assert not pace.quick
    pace.took(QUICK_S / 4)
    assert pace.quick
    pace.took(QUICK_S * 100)
    assert not pace.quick


def test_a_slow_disk_is_never_taken_for_quick_but_waiting_for_the_interpreter_does_not_make_it_slow() -> None:
    slow, busy = Pace(), Pace()
    for n in range(320):
        slow.took(QUICK_S)
        busy.took(QUICK_S / 4 if n % 32 == 0 else QUICK_S * 5)
    assert not slow.quick
    assert busy.quick or busy._count < 32


async def test_the_log_begins_anew_while_it_is_written_to_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "PAGES", 100)
    journal = SqliteJournal(Options(tmp_path / "journal.db"))
    try:
        for n in range(600):
            await asyncio.gather(*(journal.accept(replace(flying(n * 8 + m), key="")) for m in range(8)))
            await asyncio.gather(*(journal.complete(f"req_{n * 8 + m:04}", 1, response()) for m in range(8)))
        # 1,200 commits of at least five pages each would be 24 MB of log.
        assert (tmp_path / "journal.db-wal").stat().st_size < 8 * 2**20
        assert sum((await journal.counts()).values()) == 4800
    finally:
        await journal.close()


async def test_a_completion_finds_its_row_though_its_acceptance_was_taken_back(tmp_path: Path) -> None:
    journal = SqliteJournal(Options(tmp_path / "journal.db"))
    try:
        first, wrong, third = flying(1), flying(1), replace(flying(3), key="")
        outcomes = await asyncio.gather(*(journal.accept(one) for one in (first, wrong, third)), return_exceptions=True)
        assert [isinstance(one, Exception) for one in outcomes] == [False, True, False]
        assert await journal.complete(first.id, 1, response())
        assert await journal.complete(third.id, 1, response())
        assert await journal.replay(first.id) is not None
        assert not await journal.complete(first.id, 1, response())
        assert (await journal.accept(request(9))).existing is None
    finally:
        await journal.close()
