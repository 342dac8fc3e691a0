# SPDX-License-Identifier: Apache-2.0
"""Prices. Integers, so that sums are exact."""

from __future__ import annotations

import re
from dataclasses import dataclass

_AMOUNT = re.compile(r"(\$?)\s?(\d{1,9}(?:\.\d{1,6})?)\s?([A-Za-z]{0,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Money:
    """Millionths of a unit: USD, or SU for Chameleon's service units."""

    micros: int
    currency: str = "USD"

    def __mul__(self, factor: float) -> Money:
        return Money(round(self.micros * factor), self.currency)

    def __str__(self) -> str:
        """Two decimals; four, or six, where less than one unit would be rounded. `$0.0075`, `24 SU`."""
        amount = self.micros / 1_000_000
        text = f"{amount:,.2f}"
        if abs(amount) < 1 and self.micros % 10_000:
            digits = f"{amount:.4f}" if abs(self.micros) >= 100 else f"{amount:.6f}"
            whole, _, part = digits.partition(".")
            text = f"{whole}.{part.rstrip('0'):0<2}"
        return f"${text}" if self.currency == "USD" else f"{text.removesuffix('.00')} {self.currency}"


FREE = Money(0)


def parse_money(text: str) -> Money:
    """`5`, `$5`, `5USD`, `20 SU`: a plain number is in USD. Raises `ValueError` saying what was expected."""
    found = _AMOUNT.fullmatch(text.strip())
    if not found or (found[1] and found[3].upper() not in ("", "USD")):
        raise ValueError("expected an amount such as 5, 5USD or 20SU")
    whole, _, part = found[2].partition(".")
    return Money(int(whole) * 1_000_000 + int(part.ljust(6, "0")), found[3].upper() or "USD")
