# SPDX-License-Identifier: Apache-2.0
"""Time and identity, passed in so that decisions can be tested."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now_us(self) -> int:
        """Wall clock: microseconds since the epoch, UTC. May jump; never use it for durations."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        ...


class Ids(Protocol):
    def new(self, prefix: str) -> str:
        """`prefix` + "_" + a lower-case ULID: unique, sortable by time, increasing within one process."""
        ...
