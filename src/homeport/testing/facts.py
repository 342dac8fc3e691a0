# SPDX-License-Identifier: Apache-2.0
"""A source of facts in memory, kept honest by the suite that the real ones pass."""

from __future__ import annotations

from dataclasses import replace

from homeport.errors import HomeportError
from homeport.model.facts import Facts
from homeport.model.money import Money
from homeport.model.plan import Offer

FACTS = Facts(
    "fake", "2026-05-01", "a test",
    (Offer("fake", "", "small", 2, 4 << 30, 20 << 30, hourly=Money(10_000), as_of="2026-05-01"),),
)  # fmt: skip


class FakeFacts:
    """`trouble` is raised instead of an answer. `asked` counts."""

    def __init__(self, facts: Facts = FACTS, trouble: HomeportError | None = None) -> None:
        self.cloud = facts.cloud
        self.facts = facts
        self.trouble = trouble
        self.asked = 0

    async def fetch(self) -> Facts:
        self.asked += 1
        if self.trouble is not None:
            raise self.trouble
        return replace(self.facts)
