# SPDX-License-Identifier: Apache-2.0
"""Taking all that a database holds out of it, and putting it into another kind of database."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

Value = str | bytes | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a database holds, in words that are the same for all databases. What is None is left out."""

    kind: str
    """Whose count and digest it belongs to: `record agent`, `request completed`, `steps workflow_status` …"""
    data: dict[str, Value]


@dataclass(frozen=True, slots=True)
class Where:
    """A state folder, or else a PostgreSQL database."""

    folder: Path | None = None
    url: str = ""
    snapshot: str = ""
    """Of PostgreSQL: read what the transaction sees that gave this name."""


class Part(Protocol):
    """State, journal or durable steps of one place, in one transaction: what is read is of one moment, what is put is
    seen by others after `commit`. Synchronous, in one thread.

    Opened for reading it raises `HomeportError` for a database that an older or newer version wrote, `NotFound` where
    there is none. Opened for writing it has been made at today's schema, and emptied.
    Every method raises `StorageFull` and `Unavailable`.
    """

    @property
    def snapshot(self) -> str:
        """The name under which other transactions may see the same; "" where there is no such thing."""
        ...

    def items(self) -> Generator[Item]:
        """All of it, what was put but not committed too. One that is not read to its end is to be closed."""
        ...

    def put(self, items: Iterable[Item]) -> None: ...

    def commit(self) -> None: ...

    def close(self) -> None:
        """Without a commit nothing stays of what was put. Idempotent."""
        ...


class Gate(Protocol):
    """Keeps servers out of a place while it is copied."""

    def take(self) -> None:
        """Raises `Conflict` naming who is there. What is held ends with this process at the latest."""
        ...

    def check(self) -> None:
        """Raises `Conflict` where somebody came in after all, `Unavailable` where the hold was lost."""
        ...

    def found(self) -> str:
        """`nothing`, `half` of a copy that was broken off, or `home`."""
        ...

    def mark(self, keep: Path | None = None) -> None:
        """From now on, and after a crash, no server starts here until the state has been committed.

        The state of a folder gets another name in the folder `keep` before.
        """
        ...

    def close(self) -> None: ...


def lots(items: Iterable[Item], most: int = 500) -> Iterator[list[Item]]:
    """In lists of at most so many, whatever there is."""
    rest = iter(items)
    while lot := list(islice(rest, most)):
        yield lot
