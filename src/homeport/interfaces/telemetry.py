# SPDX-License-Identifier: Apache-2.0
"""Numbers about ourselves."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter. Never raises, never blocks."""
        ...

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one value of a distribution, in the unit that the name ends with."""
        ...
