# SPDX-License-Identifier: Apache-2.0
"""Changes of requests that somebody is to be told of: written by the journal in the transaction of the change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from homeport.model.webhook import Change, HookCount


class Outbox(Protocol):
    """A request's `hooks` (`model.webhook.hooks_text`) say who wants to hear of which of its states. Each change to
    such a state is one `Change` for each of them, with an id of its own, in the order of the changes.

    Times are the caller's, as in `Journal`. Every method raises `Unavailable` while the journal is away, `StorageFull`.
    """

    async def due(self, hooks: Collection[str], *, now_us: int) -> set[str]:
        """Which of them may have something to be sent. Writes nothing."""
        ...

    async def claim(self, hook: str, owner: str, *, now_us: int, until_us: int, limit: int) -> list[Change]:
        """The oldest whose time has come, given to `owner` until then and to nobody else before; of one request the
        first that waits only. One that is told to wait for longer than a day is due: the clock was set back since."""
        ...

    async def reclaim(self, owner: str) -> None:
        """What `owner` held in a former life is free again."""
        ...

    async def deliver(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        """It was taken. False where `owner` does not hold it any more."""
        ...

    async def defer(
        self, change_id: str, owner: str, *, code: int, said: str, not_before_us: int, counted: bool = True
    ) -> bool:
        """It was not taken, and is to be sent again; `counted` False: it was not really tried."""
        ...

    async def bury(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        """It is given up: kept for a person to look at, and no obstacle for what comes after it."""
        ...

    async def stop(self, hook: str, why: str, *, at_us: int) -> int:
        """Nothing more for this one until `resume`: what waits is given up, what happens is not noted. How many were
        given up."""
        ...

    async def resume(self, hook: str) -> None: ...

    async def retry(self, hook: str, change_ids: Collection[str], *, now_us: int) -> int:
        """Those given up are to be sent again, in their order, () for all of them; how many."""
        ...

    async def changes(self, hook: str, *, standing: str = "", after: int = 0, limit: int = 100) -> list[Change]:
        """Newest first; before the seq `after` if it is not 0."""
        ...

    async def counted(self) -> dict[str, HookCount]:
        """By webhook; those with nothing are left out. Counted up to 100,000 each."""
        ...

    async def forget(self, hook: str) -> int:
        """Nothing of this webhook stays. Some thousand at most; how many: call it again until it is 0."""
        ...

    async def sweep(self, *, delivered_before_us: int, dead_before_us: int, most: int) -> int:
        """Removes what was settled before these times, and, of all that is settled, what is more than `most`, oldest
        first. What waits stays. Some thousand at most; how many."""
        ...
