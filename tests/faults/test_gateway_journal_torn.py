# SPDX-License-Identifier: Apache-2.0
"""Logs of a journal as a failing power supply or disk leaves them: no false alarm, and no loss that is not told."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.errors import HomeportError
from homeport.model.request import Body
from homeport.testing.conformance.journal import flying, response

NUMBER, EVERY = 160, 20


@pytest.fixture(scope="module")
def moments(tmp_path_factory) -> list[tuple[Path, int]]:
    """Copies of database and log after so many requests, taken between two commits."""
    folder: Path = tmp_path_factory.mktemp("moments")

    async def live() -> list[tuple[Path, int]]:
        chance, found = Random(1), []
        journal = SqliteJournal(Options(folder / "journal.db"))
        try:
            for n in range(1, NUMBER + 1):
                size = chance.choice((10, 3000, 20_000))
                await journal.accept(flying(n, body=Body(b"x" * size, "", size)))
                await journal.complete(f"req_{n:04d}", 1, response())
                if n % EVERY == 0:
                    (folder / f"{n}").mkdir()
                    for name in ("journal.db", "journal.db-wal"):
                        shutil.copy(folder / name, folder / f"{n}" / name)
                    found.append((folder / f"{n}", n))
        finally:
            await journal.close()
        return found

    return asyncio.run(live())


def opened(moment: Path, to: Path, log: bytes) -> int:
    """How many requests a journal with this log has; -1 where it is refused as damaged."""
    shutil.copytree(moment, to)
    (to / "journal.db-wal").write_bytes(log)

    async def count() -> int:
        try:
            journal = SqliteJournal(Options(to / "journal.db"))
        except HomeportError as error:
            assert "is damaged" in error.message
            assert error.hint
            return -1
        try:
            return len(await journal.list("default", limit=1000))
        finally:
            await journal.close()

    try:
        return asyncio.run(count())
    finally:
        shutil.rmtree(to)


def ends(log: bytes, chance: Random) -> Iterator[bytes]:
    """As a power cut leaves the end of it: short, or with zeroes that were never written."""
    yield log[: -chance.randrange(1, 4000)]
    zeroes = chance.randrange(1, 4000)
    yield log[:-zeroes] + bytes(zeroes)


def test_a_torn_end_is_never_taken_for_damage_and_costs_no_more_than_the_last_commit(moments, tmp_path) -> None:
    chance = Random(2)
    for moment, number in moments:
        for log in ends((moment / "journal.db-wal").read_bytes(), chance):
            assert opened(moment, tmp_path / "copy", log) >= number - 1


def test_a_flipped_byte_anywhere_in_the_log_costs_nothing_that_is_not_told(moments, tmp_path) -> None:
    chance, refused = Random(3), 0
    for moment, number in moments:
        whole = (moment / "journal.db-wal").read_bytes()
        for _ in range(6):
            log = bytearray(whole)
            log[chance.randrange(len(log))] ^= 0x55
            found = opened(moment, tmp_path / "copy", bytes(log))
            refused += found < 0
            assert found < 0 or found >= number - 1
    assert refused > 10
