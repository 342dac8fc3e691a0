# SPDX-License-Identifier: Apache-2.0
"""What every Audit does. The fixture `audit` gives an empty, open one."""

from __future__ import annotations

import asyncio

import pytest

from homeport.errors import Unavailable
from homeport.interfaces.audit import Audit, AuditEntry


async def append(audit: Audit, subject: str = "billing", allowed: bool = True) -> AuditEntry:
    return await audit.append(
        namespace="default",
        actor="tok_1",
        action="agents.write",
        subject=subject,
        allowed=allowed,
        detail={"reason": "because ☃\n"},
    )


class AuditSuite:
    async def test_entries_are_numbered_chained_and_read_back_as_they_were(self, audit: Audit) -> None:
        written = [await append(audit, f"a{n}", allowed=n % 2 == 0) for n in range(5)]
        assert [entry.seq for entry in written] == [1, 2, 3, 4, 5]
        assert [entry.previous for entry in written] == ["", *(entry.hash for entry in written[:-1])]
        assert len({entry.hash for entry in written}) == 5
        assert written[0].detail == {"reason": "because ☃\n"}
        assert await audit.entries() == written
        assert await audit.verify() == 5

    async def test_an_empty_trail_is_sound(self, audit: Audit) -> None:
        assert await audit.verify() == 0
        assert await audit.entries() == []

    async def test_pages_follow_each_other(self, audit: Audit) -> None:
        for n in range(7):
            await append(audit, str(n))
        assert [e.subject for e in await audit.entries(after=2, limit=3)] == ["2", "3", "4"]
        assert await audit.entries(after=7) == []
        assert await audit.entries(limit=0) == []
        assert await audit.entries(limit=-1) == []
        assert len(await audit.entries(after=-5)) == 7

    async def test_many_at_once_are_all_there_in_one_chain(self, audit: Audit) -> None:
        written = await asyncio.gather(*(append(audit, str(n)) for n in range(200)))
        assert sorted(entry.seq for entry in written) == list(range(1, 201))
        assert await audit.verify() == 200
        assert {e.subject for e in await audit.entries(limit=1000)} == {str(n) for n in range(200)}

    async def test_odd_text_is_kept_and_what_is_not_unicode_shows_as_its_escape(self, audit: Audit) -> None:
        odd = ("", "\0", "\ud800", "a\r\nb", '"}{', "é" * 1000)
        for subject in odd:
            await append(audit, subject)
        assert [e.subject for e in await audit.entries()] == [s.replace("\ud800", "\\ud800") for s in odd]
        assert await audit.verify() == 6

    async def test_a_closed_trail_takes_nothing(self, audit: Audit) -> None:
        await append(audit)
        await audit.close()
        await audit.close()
        with pytest.raises(Unavailable):
            await append(audit)
