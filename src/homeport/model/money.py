# SPDX-License-Identifier: Apache-2.0
"""Prices. Integers, so that sums are exact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """Millionths of a unit: USD, or SU for Chameleon's service units."""

    micros: int
    currency: str = "USD"

    def __mul__(self, factor: float) -> Money:
        return Money(round(self.micros * factor), self.currency)

    def __str__(self) -> str:
        amount = self.micros / 1_000_000
        return f"${amount:,.2f}" if self.currency == "USD" else f"{amount:,.2f} {self.currency}"


FREE = Money(0)
