# SPDX-License-Identifier: Apache-2.0
"""The clock of this machine, and ids made from it.

Belongs here: the only reads of time and randomness that become ids.
Does not belong here: decisions; those take a time as an argument.
"""

from __future__ import annotations

import os
import threading
import time

from homeport.interfaces.clock import Clock

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
"""Crockford's base 32: no i, l, o, u. https://www.crockford.com/base32.html"""
_RANDOM_BITS = 80
_MAX = (1 << 128) - 1
_DRAWN = 64
"""Random parts that are asked for at once: the system call costs more than all the rest of an id."""
_supply: list[int] = []
os.register_at_fork(after_in_child=_supply.clear)


class SystemClock:
    """`interfaces.clock.Clock` of the operating system."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class UlidIds:
    """ULIDs (48 bits of milliseconds, 80 random bits, as 26 digits) that increase within one process.

    In the same millisecond, or after the clock went back, the next id is the last one plus a random step: still
    increasing, still not to be guessed from another. Thread-safe.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._last = 0
        self._lock = threading.Lock()

    def new(self, prefix: str) -> str:
        """As `interfaces.clock.Ids`. Raises OverflowError in the year 10889."""
        with self._lock:
            fresh = (self._clock.now_us() // 1000 << _RANDOM_BITS) | _random()
            self._last = fresh if fresh > self._last else self._last + 1 + (_random() >> 16)
            if self._last > _MAX:
                raise OverflowError("the time does not fit into a ULID")
            return f"{prefix}_{encode(self._last)}"


def _random() -> int:
    """80 bits of the operating system's."""
    try:
        return _supply.pop()
    except IndexError:
        drawn = os.urandom(10 * _DRAWN)
        _supply.extend([int.from_bytes(drawn[at : at + 10], "big") for at in range(10, len(drawn), 10)])
        return int.from_bytes(drawn[:10], "big")


def encode(number: int) -> str:
    """26 lower-case digits of base 32 that sort as the numbers do; for 0 ≤ `number` < 2¹²⁸."""
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
