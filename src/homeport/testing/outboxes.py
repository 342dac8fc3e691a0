# SPDX-License-Identifier: Apache-2.0
"""An Outbox in memory, kept honest by the suite that the real ones pass."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from homeport.model.request import StoredRequest
from homeport.model.webhook import Change, HookCount

_DAY_US = 86_400 * 10**6


class MemoryOutbox:
    """`check` is called before each write, and may raise. `held` is the whole of it, by id."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self.held: dict[str, Change] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._stopped: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def note(self, request: StoredRequest) -> None:
        """The request has just become what it is."""
        wanted: dict[str, str] = json.loads(request.hooks) if request.hooks else {}
        for hook in sorted(wanted):
            if request.state in wanted[hook].split(",") and hook not in self._stopped:
                n, at_us = next(self._numbers), time.time_ns() // 1000
                self.held[f"msg_{n}"] = Change(
                    n, f"msg_{n}", hook, request.id, request.namespace, request.agent, request.method, request.target,
                    request.state, request.attempts, request.outcome,
                    request.response.status if request.response else 0, at_us,
                    not_before_us=max((one.not_before_us for one in self._of(hook, request.id)), default=0),
                )  # fmt: skip

    async def due(self, hooks: Collection[str], *, now_us: int) -> set[str]:
        return {one.hook for one in self._waiting(now_us) if one.hook in hooks}

    async def claim(self, hook: str, owner: str, *, now_us: int, until_us: int, limit: int) -> list[Change]:
        self._check()
        found = [one for one in self._waiting(now_us) if one.hook == hook and self._first(one)]

        def turn(one: Change) -> tuple[int, int]:
            """What was deferred, what is new, what a clock since set back deferred."""
            kind = 2 if one.not_before_us > now_us else int(one.not_before_us == 0)
            return kind, one.not_before_us

        found = sorted(found, key=turn)[:limit]
        found.sort(key=lambda one: (turn(one)[0], one.seq))
        self._leases |= {one.id: (owner, until_us) for one in found}
        return found

    async def reclaim(self, owner: str) -> None:
        self._leases = {id_: held for id_, held in self._leases.items() if held[0] != owner}

    async def deliver(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return self._settle("delivered", change_id, owner, code, said, at_us)

    async def defer(
        self, change_id: str, owner: str, *, code: int, said: str, not_before_us: int, counted: bool = True
    ) -> bool:
        self._check()
        if not self._ours(change_id, owner):
            return False
        one = self.held[change_id]
        tries = one.tries + counted
        self.held[change_id] = replace(one, code=code, said=said, tries=tries)
        del self._leases[change_id]
        self._behind(one, not_before_us)
        return True

    async def bury(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return self._settle("dead", change_id, owner, code, said, at_us)

    async def stop(self, hook: str, why: str, *, at_us: int) -> int:
        self._check()
        self._stopped[hook] = why
        waiting = [one for one in self.held.values() if one.hook == hook and one.standing == "waiting"]
        for one in waiting:
            self.held[one.id] = replace(one, standing="dead", said=why, settled_at_us=at_us)
            self._leases.pop(one.id, None)
        return len(waiting)

    async def resume(self, hook: str) -> None:
        self._check()
        self._stopped.pop(hook, None)

    async def retry(self, hook: str, change_ids: Collection[str], *, now_us: int) -> int:
        self._check()
        dead = [one for one in self.held.values() if one.hook == hook and one.standing == "dead"]
        again = [one for one in dead if not change_ids or one.id in change_ids]
        for one in again:
            fresh = replace(one, standing="waiting", since_us=now_us, not_before_us=0, settled_at_us=0)
            self.held[one.id] = fresh
        return len(again)

    async def changes(self, hook: str, *, standing: str = "", after: int = 0, limit: int = 100) -> list[Change]:
        found = [one for one in self.held.values() if one.hook == hook and standing in ("", one.standing)]
        return [one for one in reversed(found) if not after or one.seq < after][:limit]

    async def counted(self) -> dict[str, HookCount]:
        def count(hook: str, standing: str) -> int:
            return sum(one.hook == hook and one.standing == standing for one in self.held.values())

        hooks = {one.hook for one in self.held.values() if one.standing != "delivered"} | self._stopped.keys()
        return {
            hook: HookCount(count(hook, "waiting"), count(hook, "dead"), self._stopped.get(hook, "")) for hook in hooks
        }

    async def forget(self, hook: str) -> int:
        self._check()
        self._stopped.pop(hook, None)
        gone = [one.id for one in self.held.values() if one.hook == hook]
        for change_id in gone:
            del self.held[change_id]
        return len(gone)

    async def sweep(self, *, delivered_before_us: int, dead_before_us: int, most: int) -> int:
        self._check()
        settled = [one for one in self.held.values() if one.standing != "waiting"]
        ends = {"dead": dead_before_us, "delivered": delivered_before_us}
        newest = {one.id for one in settled[-most:]} if most else set()
        gone = [one.id for one in settled if one.settled_at_us < ends[one.standing] or one.id not in newest]
        for change_id in gone:
            del self.held[change_id]
        return len(gone)

    def _waiting(self, now_us: int) -> list[Change]:
        return [
            one for one in self.held.values()
            if one.standing == "waiting"
            and one.hook not in self._stopped
            and not now_us < one.not_before_us <= now_us + _DAY_US
            and self._leases.get(one.id, ("", 0))[1] <= now_us
        ]  # fmt: skip

    def _first(self, change: Change) -> bool:
        place = (change.hook, change.request, "waiting")
        same = (one for one in self.held.values() if (one.hook, one.request, one.standing) == place)
        return next(same).id == change.id

    def _ours(self, change_id: str, owner: str) -> bool:
        one = self.held.get(change_id)
        return one is not None and one.standing == "waiting" and self._leases.get(change_id, ("",))[0] == owner

    def _settle(self, standing: str, change_id: str, owner: str, code: int, said: str, at_us: int) -> bool:
        self._check()
        if not self._ours(change_id, owner):
            return False
        one = self.held[change_id]
        self.held[change_id] = replace(
            one, standing=standing, code=code, said=said, settled_at_us=at_us, tries=one.tries + 1, not_before_us=0
        )
        del self._leases[change_id]
        self._behind(one, 0)
        return True

    def _of(self, hook: str, request: str) -> list[Change]:
        place = (hook, request, "waiting")
        return [one for one in self.held.values() if (one.hook, one.request, one.standing) == place]

    def _behind(self, change: Change, not_before_us: int) -> None:
        """What waits of its request goes on, or waits, with it."""
        for one in self._of(change.hook, change.request):
            self.held[one.id] = replace(one, not_before_us=not_before_us)
