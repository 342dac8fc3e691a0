# SPDX-License-Identifier: Apache-2.0
"""A circuit breaker: an instance that takes no connections is tried now and then, not by everybody."""

from __future__ import annotations

TRIP = 5
"""Failures in a row that open it."""
FIRST_S, MOST_S = 0.5, 5.0
"""Seconds until one request tries it again: doubling with each that fails."""


class Circuit:
    """Closed until `TRIP` failures in a row; then one request tries it whenever its time is over.

    What got through ends it: forget it then. Times are seconds on a steady clock.
    """

    __slots__ = ("_failures", "_interval", "_trying", "_until")

    def __init__(self) -> None:
        self._failures = 0
        self._interval = FIRST_S
        self._until = 0.0
        self._trying = False

    @property
    def open(self) -> bool:
        return self._failures >= TRIP

    def failed(self, now: float) -> None:
        """Many that were under way together when it opened count once."""
        self._failures += 1
        if self._trying:
            self._trying, self._interval = False, min(MOST_S, self._interval * 2)
            self._until = now + self._interval
        elif self._failures == TRIP:
            self._until = now + self._interval

    def places(self, now: float, free: int) -> int:
        """How many of the `free` places may be taken."""
        if not self.open:
            return free
        return min(free, 1) if now >= self._until else 0

    def taken(self, now: float) -> None:
        """One of them was: while it tries, or if nothing is heard of it, the next one waits its time."""
        if self.open:
            self._trying, self._until = True, now + self._interval

    def wait(self, now: float) -> float:
        """Seconds until it may be tried; 0 if it may now, or is closed."""
        return max(0.0, self._until - now) if self.open else 0.0
