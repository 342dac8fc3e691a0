# SPDX-License-Identifier: Apache-2.0
"""Who among several servers on one database decides: one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Me:
    """One server among several. `home` tells apart those whose `node` was named alike."""

    node: str
    home: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who took the claim last, whether or not they hold it now. `since_us`: when, by the database's clock."""

    me: Me
    since_us: int
    seal: bytes = b""
    """Something sealed with the holder's key: who cannot open it cannot read what the others sealed."""


@dataclass(frozen=True, slots=True)
class Seen:
    held: bool
    last: Holder | None
    """None before anybody took it."""


class Claim(Protocol):
    """A claim lives as long as the session of whoever took it. `Unavailable` when the database does not answer."""

    async def look(self) -> Seen:
        """As it is now. Changes nothing."""
        ...

    async def take(self, me: Me, seal: bytes, *, after: Me | None) -> Holder | None:
        """Take it if it is free and `after` is still who took it last (None: nobody); None otherwise.

        `since_us` begins anew only when the holder changes. Idempotent for who holds it.
        """
        ...

    async def confirm(self) -> bool:
        """Whether the session that holds it still answers. False: it is lost, and perhaps somebody else's already.

        Never raises. A session that is not confirmed for some seconds is ended by the database.
        """
        ...

    async def close(self) -> None:
        """Let go. Idempotent."""
        ...
