# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker: an instance that takes no connections is asked now and then, not by everybody."""

from __future__ import annotations

TRIP = 5
"""Failures in a row that open it."""
FIRST_S, MOST_S = 0.5, 5.0
"""Seconds until one request tries it again: doubling with each that fails."""


class Circuit:
    """Closed until `TRIP` failures in a row; then open; when its time is over half open: one request at a time tries.

    What worked ends it: forget it then.
    """

    __slots__ = ("_failures", "_until")

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= TRIP

    def failed(self, now: float) -> None:
        """Seconds on a steady clock."""
        self._failures += 1
        if self.open and now >= self._until:
            self._until = now + min(MOST_S, FIRST_S * 2.0 ** min(self._failures - TRIP, 10))

    def places(self, now: float, *, busy: int, free: int) -> int:
        """How many of the `free` places may be taken while `busy` are."""
        if not self.open:
            return free
        return min(free, 1) if now >= self._until and not busy else 0

    def wait(self, now: float) -> float:
        """Seconds until it is half open; 0 where it is, or is closed."""
        return max(0.0, self._until - now) if self.open else 0.0
