# SPDX-License-Identifier: Apache-2.0
"""A clock that stands until it is moved, and ids that can be written into a test."""

from __future__ import annotations

from collections import Counter

START_US = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""


class ManualClock:
    """Both clocks move together by `advance`; `jump` moves the wall clock alone, as NTP or a person would."""

    def __init__(self, now_us: int = START_US) -> None:
        self._now_us = now_us
        self._monotonic = 0.0

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not go back; use jump for the wall clock")
        self._monotonic += seconds
        self._now_us += round(seconds * 1_000_000)

    def jump(self, seconds: float) -> None:
        self._now_us += round(seconds * 1_000_000)


class SequentialIds:
    """Counted per prefix from 1, padded to 26 digits so that they sort like ULIDs."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def new(self, prefix: str) -> str:
        self._counts[prefix] += 1
        return f"{prefix}_{self._counts[prefix]:026d}"
