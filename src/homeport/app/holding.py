# SPDX-License-Identifier: Apache-2.0
"""Which of several servers on one database is the one that decides: waiting for the claim, holding it, losing it.

A server that dies is started again by its keeper within a second and gets its claim back; only when it stays away does
another one take over, so that agents are not moved for nothing. While the database is away nobody can take anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from homeport.errors import Conflict, HomeportError, Unavailable
from homeport.interfaces.claim import Claim, Holder, Me, Seen
from homeport.interfaces.secrets import Sealer

log = structlog.get_logger(__name__)
GRACE_S = 10.0
"""Seconds for which the claim of another server must have been free before it is taken."""
BEAT_S = 1.0
"""Seconds between two looks; the holder's own claim is confirmed as often."""
_SEALED = b"homeport"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a standby knows. `holder` is None before it has seen one; `away` says why the database cannot be asked."""

    holder: Holder | None = None
    away: str = ""


class Holding:
    """`lost` is done once another server took the claim: this one must end, and start anew as a standby."""

    def __init__(
        self, claim: Claim, me: Me, sealer: Sealer, fits: Callable[[], Awaitable[None]], *,
        grace: float = GRACE_S, beat: float = BEAT_S,
    ) -> None:  # fmt: skip
        """`fits` raises `HomeportError` where the state is nothing that this server can work with."""
        self._claim, self.me, self._sealer, self._fits = claim, me, sealer, fits
        self._grace, self._beat = grace, beat
        self._seal, self._unfit = b"", ""
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self.waiting = Waiting()
        self.held: Holder | None = None
        """As it was recorded when this server took it; None until then."""
        self.lost: asyncio.Future[Holder] = asyncio.get_running_loop().create_future()

    async def hold(self) -> Holder:
        """Returns once this server is the one. Raises `Conflict` where the others seal with another key."""
        self._seal = self._sealer.seal(_SEALED)
        clock = asyncio.get_running_loop().time
        free_since: float | None = None
        while True:
            seen = await self._look()
            if seen is None or seen.held:
                free_since = None  # also while the database is away: who held it must be able to come back
            elif free_since is None:
                free_since = clock()
            if seen is not None and free_since is not None:
                last = None if seen.last is None else seen.last.me
                if last in (None, self.me) or clock() - free_since >= self._grace:
                    held = await self._take(last)
                    if held is not None:
                        return self._hold(held)
            await asyncio.sleep(self._beat)

    async def must_wait(self) -> None:
        """Returns once the claim cannot be had at once: another server has it, or the database is away."""
        async with self._news:
            await self._news.wait_for(lambda: self.waiting != Waiting())

    async def another_holds(self) -> Holder:
        """Returns once it is certain that another server holds the claim, which starts the agents there."""
        async with self._news:
            await self._news.wait_for(lambda: self.waiting.holder is not None and not self.waiting.away)
        assert self.waiting.holder is not None
        return self.waiting.holder

    async def close(self) -> None:
        """Let go of the claim. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self.lost.cancel()
        await self._claim.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────
    async def _look(self) -> Seen | None:
        """None while the database is away."""
        try:
            seen = await self._claim.look()
        except Unavailable as error:
            await self._tell(Waiting(self.waiting.holder, error.message))
            return None
        if seen.last is not None and seen.last.me != self.me:
            self._check_key(seen.last)
        other = seen.last if seen.held and seen.last is not None and seen.last.me != self.me else None
        self._unfit = "" if seen.held else self._unfit
        await self._tell(Waiting(other or self.waiting.holder, self._unfit))
        return seen

    async def _tell(self, waiting: Waiting) -> None:
        if waiting != self.waiting:
            log.info(
                "claim.waiting", holder=waiting.holder.me.node if waiting.holder else "", database_away=waiting.away
            )
        async with self._news:
            self.waiting = waiting
            self._news.notify_all()

    async def _take(self, after: Me | None) -> Holder | None:
        """None where it cannot be had, and where this server would only keep it from those that can use it."""
        try:
            await self._fits()
        except HomeportError as error:
            self._unfit = error.message
            await self._tell(Waiting(self.waiting.holder, self._unfit))
            return None
        try:
            return await self._claim.take(self.me, self._seal, after=after)
        except Unavailable as error:
            log.warning("claim.not_taken", error=error.message)
            return None

    def _hold(self, held: Holder) -> Holder:
        log.info("claim.taken", node=self.me.node)
        self.held = held
        self._task = asyncio.create_task(self._keep(), name="claim")
        return held

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._beat)
            if await self._claim.confirm():
                continue
            log.warning("claim.session_lost", node=self.me.node)
            if (other := await self._again()) is not None:
                log.error("claim.lost", node=self.me.node, to=other.me.node)
                if not self.lost.done():
                    self.lost.set_result(other)
                return

    async def _again(self) -> Holder | None:
        """Take it back, however long the database is away. Who has it instead, if somebody does."""
        said = ""
        while True:
            try:
                seen = await self._claim.look()
                if seen.last is not None and seen.last.me != self.me:
                    return seen.last
                if not seen.held and await self._claim.take(self.me, self._seal, after=self.me):
                    log.info("claim.taken_again", node=self.me.node)
                    return None
            except Unavailable as error:
                if error.message != said:
                    log.warning("claim.database_away", error=error.message)
                said = error.message
            await asyncio.sleep(self._beat)

    def _check_key(self, other: Holder) -> None:
        try:
            same = self._sealer.unseal(other.seal) == _SEALED
        except HomeportError:
            same = False
        if not same:
            raise Conflict(
                f"the servers of this database seal secrets with another key than this one ({other.me.node} does)",
                operation="claim", subject=other.me.node,
                hint="copy the file secrets.key of that server's configuration folder to this one's",
            )  # fmt: skip
