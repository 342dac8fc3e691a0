# SPDX-License-Identifier: Apache-2.0
"""What is kept, and for how long: ages and quotas of each agent, held without anybody waiting for it.

One look at the whole journal tells how much each agent has; a walk from the oldest on removes what is too old, and,
where an agent has more than its quota, its oldest answered requests, then those that were given up with a known
outcome. What is unanswered, and dead letters before their age, no quota removes: then new ones are refused.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from homeport.errors import HomeportError
from homeport.gateway.core.access import Key, Refusal
from homeport.gateway.spool import Spool
from homeport.gateway.waking import wait_for
from homeport.interfaces.clock import Clock
from homeport.interfaces.journal import Journal
from homeport.model.kept import BEGINNING, Finished, Retention, Rule, Usage
from homeport.model.request import RequestState

log = logging.getLogger(__name__)
EVERY_S = 60.0
"""Between two looks while nobody is near a quota."""
FIRST_S = 5.0
"""After the start: first come those who wait."""
FRESH_S = 60.0
"""So long no quota touches an answer: whoever waits for it must find it."""
SOON_S = 1.0
"""And at least between two while somebody is."""
SHARE = 20.0
"""A pass rests this many times as long as it took."""
PAUSE_S = 0.01
"""Between two slices that are forgotten, so that four of five commits carry none."""
PAGE = 500
_QUOTA_ORDER = (RequestState.COMPLETED, RequestState.FAILED)


@dataclass(slots=True)
class _Room:
    """What an agent has that no quota may remove, at the last look, and all that came since."""

    rule: Rule
    requests: int = 0
    bytes: int = 0
    full: str = ""


class Keeping:
    """`run` it while the gateway serves."""

    def __init__(self, journal: Journal, spool: Spool, clock: Clock, retention: Retention) -> None:
        self._journal, self._spool, self._clock, self.retention = journal, spool, clock, retention
        self._rooms: dict[Key, _Room] = {}
        self._near = asyncio.Event()

    def refusal(self, key: Key, size: int) -> Refusal | None:
        """Whether there is no room for one more of this agent, with a body of so many bytes. Counts it if there is."""
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = _Room(self.retention.of(*key))
        room.requests += 1
        room.bytes += size
        rule = room.rule
        if (not rule.requests or room.requests <= rule.requests) and (not rule.bytes or room.bytes <= rule.bytes):
            return None
        if rule.bytes and size > rule.bytes:
            room.requests -= 1
            room.bytes -= size
            return self._refused(key, f"the body is larger than its whole quota ({rule.bytes} bytes)")
        self._near.set()
        return self._refused(key, room.full) if room.full else None

    @staticmethod
    def _refused(key: Key, why: str) -> Refusal:
        return Refusal(
            507,
            "StorageFull",
            f"nothing more is kept for agent {key[1]}: {why}; this request was not accepted",
            f"homeport requests dead list --agent {key[1]}; replay or drop them, let the agent answer what waits, or"
            " raise HOMEPORT_RETENTION_REQUESTS or HOMEPORT_RETENTION_BYTES",
        )

    async def run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            began, wait = time.monotonic(), SOON_S
            try:
                await self.sweep()
            except HomeportError as error:
                log.warning("old requests stay for now: %s", error.message)
                wait = EVERY_S / 6
            rest = max(wait, SHARE * (time.monotonic() - began))
            await asyncio.sleep(rest)
            if not any(room.full for room in self._rooms.values()):
                await wait_for(self._near, max(0.0, EVERY_S - rest))
            self._near.clear()

    async def sweep(self) -> int:
        """One pass; how many requests were removed. Raises what the journal raises: the next pass goes on."""
        excess = self._measure(await self._journal.usage())
        removed = await self._walk(excess, _QUOTA_ORDER[0], ages=True)
        for state in _QUOTA_ORDER[1:]:
            if excess:
                removed += await self._walk(excess, state, ages=False)
        return removed

    async def forget(self, request_ids: Sequence[str]) -> int:
        """Remove those that are finished, slice by slice, and their large bodies; how many."""
        removed = at = 0
        while at < len(request_ids):
            done = await self._journal.forget(request_ids[at:])
            for name in done.bodies:
                await self._spool.remove(name)
            removed, at = removed + done.removed, at + done.handled
            await asyncio.sleep(PAUSE_S)
        return removed

    def _measure(self, usage: dict[Key, Usage]) -> dict[Key, list[int]]:
        """What each has too much of, requests and bytes: down to 5 % under its quota, so that not each one counts."""
        excess: dict[Key, list[int]] = {}
        for key in [key for key in self._rooms if key not in usage]:
            del self._rooms[key]
        for key, used in usage.items():
            rule = self.retention.of(*key)
            full = ""
            if rule.requests and used.firm >= rule.requests:
                full = f"{used.firm} requests are unanswered or dead letters (quota {rule.requests})"
            elif rule.bytes and used.firm_bytes >= rule.bytes:
                full = f"unanswered requests and dead letters hold {used.firm_bytes} bytes (quota {rule.bytes})"
            self._rooms[key] = _Room(rule, used.firm, used.firm_bytes, full)
            over = [_over(used.requests, rule.requests), _over(used.bytes, rule.bytes)]
            if max(over) > 0:
                excess[key] = over
        return excess

    async def _walk(self, excess: dict[Key, list[int]], state: RequestState, *, ages: bool) -> int:
        now_us, after, removed = self._clock.now_us(), BEGINNING, 0
        shortest_s = self.retention.shortest_s() if ages else 0.0
        oldest_us = now_us - int(shortest_s * 1e6) if shortest_s else 0
        while excess or after == BEGINNING or oldest_us:
            page = await self._journal.finished(after=after, limit=PAGE)
            leaving = [one.id for one in page if self._leaves(one, now_us, excess, state, ages=ages)]
            if leaving:
                removed += await self.forget(leaving)
            if len(page) < PAGE:
                break
            after = page[-1].id
            if page[-1].accepted_at_us > oldest_us:
                oldest_us = 0
            await asyncio.sleep(0)
        return removed

    def _leaves(
        self, one: Finished, now_us: int, excess: dict[Key, list[int]], state: RequestState, *, ages: bool
    ) -> bool:
        key = (one.namespace, one.agent)
        over = excess.get(key)
        seconds = self.retention.of(*key).seconds(one.state) if ages else 0.0
        too_old = seconds > 0 and one.settled_at_us + seconds * 1e6 < now_us
        surplus = over is not None and one.state is state and one.settled_at_us + FRESH_S * 1e6 < now_us
        if not (too_old or surplus):
            return False
        if over is not None:
            over[0] -= 1
            over[1] -= one.bytes
            if max(over) <= 0:
                del excess[key]
        return True


def _over(used: int, quota: int) -> int:
    return used - (quota - quota // 20) if quota and used > quota else 0
