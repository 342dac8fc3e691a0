# SPDX-License-Identifier: Apache-2.0
"""Sends what the journal noted, in order for each request, until it was taken or a day has passed."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from dataclasses import dataclass

from homeport.errors import HomeportError
from homeport.gateway.core.access import Routes
from homeport.gateway.metrics.families import (
    WEBHOOK_TRIES,
    WEBHOOKS_DEAD,
    WEBHOOKS_STOPPED,
    WEBHOOKS_WAITING,
    Reading,
)
from homeport.gateway.tables import newest_revision
from homeport.gateway.waking import wait_for
from homeport.gateway.webhooks.message import body_of, next_try_us, signed, trial_body
from homeport.gateway.webhooks.post import DEADLINE_S, Answered, Poster
from homeport.gateway.webhooks.sealed import opened
from homeport.interfaces.clock import Clock
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Sealer
from homeport.model.webhook import Change, HookCount, Webhook, key_bytes

log = logging.getLogger(__name__)
POLL_S = 0.25
"""Seconds until a change is noticed, and only where there are webhooks."""
AT_ONCE, AT_ONCE_ALL = 4, 32
"""Requests under way to one webhook, and to all."""
LEASE_US = int((DEADLINE_S + 5) * 1e6)
"""After so long another gateway may send what one has that is gone."""
FAILURES, LONGEST_PAUSE_S = 5, 60.0
"""So many failures in a row, and one is tried at a time, with pauses between."""
SWEEP_S = 15.0
DELIVERED_S, DEAD_S, MOST_SETTLED = 3600.0, 30 * 86400.0, 20_000
"""How long what was delivered is shown, what was given up, and how many of both."""
STOP_S = 3.0
_PAUSE_S = 1.0


@dataclass(slots=True)
class _Health:
    """Of one webhook, as this gateway has seen it."""

    busy: int = 0
    failures: int = 0
    not_before: float = 0.0

    def places(self, now: float) -> int:
        if self.failures < FAILURES:
            return AT_ONCE - self.busy
        return 1 - self.busy if now >= self.not_before else 0


class Sender:
    """`run` it while the gateway serves. `outcomes` counts delivered, deferred and dead."""

    def __init__(
        self, journal: Journal, owner: str, sealer: Sealer, clock: Clock, routes: Routes, poster: Poster
    ) -> None:
        self._journal, self._outbox, self._owner = journal, journal.outbox, owner
        self._sealer, self._clock, self._routes, self._poster = sealer, clock, routes, poster
        self._health: dict[str, _Health] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._reclaimed = False
        self._swept = 0.0
        self.outcomes: Counter[str] = Counter()
        self._counts: dict[str, HookCount] = {}

    def changed(self) -> None:
        """The webhooks may be others now."""
        self._wake.set()

    def readings(self) -> list[Reading]:
        """For the metrics; what waits is as of the last quarter of a minute."""
        counts = self._counts.values()
        return [
            *(
                Reading(WEBHOOK_TRIES, self.outcomes[one], {"outcome": one})
                for one in ("delivered", "deferred", "dead")
            ),
            Reading(WEBHOOKS_WAITING, sum(count.waiting for count in counts)),
            Reading(WEBHOOKS_DEAD, sum(count.dead for count in counts)),
            Reading(WEBHOOKS_STOPPED, sum(bool(count.stopped) for count in counts)),
        ]

    async def run(self) -> None:
        while True:
            self._wake.clear()
            pause: float | None = POLL_S if self._routes.webhooks else None
            try:
                await self._tidy()
                if self._routes.webhooks:
                    await self._round()
            except HomeportError as error:
                log.info("webhooks wait: %s", error.message)
                pause = _PAUSE_S
            await wait_for(self._wake, pause or SWEEP_S)

    async def stop(self) -> None:
        """What is under way may end; what does not is free for our next life, and for other gateways."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._routes.webhooks:
            try:
                await self._outbox.reclaim(self._owner)
            except HomeportError as error:
                log.info("webhooks under way are left to their leases: %s", error.message)

    async def trial(self, hook_id: str) -> Answered:
        """Send a message of no consequence now. Raises `HomeportError` where its secrets cannot be opened."""
        hook, now_us = self._routes.webhooks[hook_id], self._clock.now_us()
        keys = self._keys(hook, now_us)
        body = trial_body(hook.name, now_us)
        headers = signed(f"msg_test_{now_us:x}", body, keys, at_s=now_us // 10**6)
        return await self._poster.post(opened(self._sealer, hook.id, hook.sealed), headers, body)

    async def forget(self, hook_id: str) -> int:
        removed = 0
        while n := await self._outbox.forget(hook_id):
            removed += n
        self._health.pop(hook_id, None)
        return removed

    async def _round(self) -> None:
        now = time.monotonic()
        health = {hook: self._health.setdefault(hook, _Health()) for hook in self._routes.webhooks}
        free = [hook for hook, one in health.items() if one.places(now) > 0]
        if not free or len(self._tasks) >= AT_ONCE_ALL:
            return
        for hook_id in await self._outbox.due(free, now_us=self._clock.now_us()):
            now_us, limit = self._clock.now_us(), min(health[hook_id].places(now), AT_ONCE_ALL - len(self._tasks))
            if limit <= 0:
                continue
            times = {"now_us": now_us, "until_us": now_us + LEASE_US}
            for change in await self._outbox.claim(hook_id, self._owner, limit=limit, **times):
                health[hook_id].busy += 1
                task = asyncio.get_running_loop().create_task(self._send(change, health[hook_id]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _send(self, change: Change, health: _Health) -> None:
        try:
            hook = self._routes.webhooks.get(change.hook)
            if hook is None:  # removed since: whoever knows that for certain forgets it
                await self._outbox.defer(
                    change.id, self._owner, code=change.code, said=change.said, counted=False,
                    not_before_us=self._clock.now_us() + LEASE_US,
                )  # fmt: skip
                return
            try:
                answered = await self._post(hook, change)
            except HomeportError as error:
                answered = Answered(0, error.message)
            await self._settle(change, answered, health)
        except HomeportError as error:
            # Its lease ends by itself; it is sent again then, under the same id.
            log.info("what became of webhook message %s is not written down: %s", change.id, error.message)
        finally:
            health.busy -= 1
            self._wake.set()

    async def _post(self, hook: Webhook, change: Change) -> Answered:
        body, now_us = body_of(change), self._clock.now_us()
        headers = signed(change.id, body, self._keys(hook, now_us), at_s=now_us // 10**6)
        return await self._poster.post(opened(self._sealer, hook.id, hook.sealed), headers, body)

    async def _settle(self, change: Change, answered: Answered, health: _Health) -> None:
        now_us, told = self._clock.now_us(), {"code": answered.code, "said": answered.said}
        if 200 <= answered.code < 300:
            health.failures = 0
            await self._outbox.deliver(change.id, self._owner, code=answered.code, said=answered.said, at_us=now_us)
            self.outcomes["delivered"] += 1
            return
        health.failures += 1
        if health.failures >= FAILURES:
            pause = min(LONGEST_PAUSE_S, 2.0 ** (health.failures - FAILURES))
            health.not_before = time.monotonic() + pause
        if answered.code == 410:
            log.warning("webhook %s answered 410 Gone: nothing more is sent to it", change.hook)
            await self._outbox.bury(change.id, self._owner, code=410, said=answered.said, at_us=now_us)
            await self._outbox.stop(change.hook, "the endpoint answered 410 Gone", at_us=now_us)
            self.outcomes["dead"] += 1
            return
        at_us = next_try_us(change, answered.headers, now_us=now_us, chance=random.random())  # noqa: S311
        if at_us is None:
            await self._outbox.bury(change.id, self._owner, code=answered.code, said=answered.said, at_us=now_us)
            self.outcomes["dead"] += 1
            return
        await self._outbox.defer(change.id, self._owner, not_before_us=at_us, **told)  # type: ignore[arg-type]
        self.outcomes["deferred"] += 1

    def _keys(self, hook: Webhook, now_us: int) -> list[bytes]:
        valid = [key for key in hook.keys if not key.until_us or key.until_us > now_us]
        return [key_bytes(opened(self._sealer, hook.id, key.sealed)) for key in valid]

    async def _tidy(self) -> None:
        if not self._reclaimed:
            await self._outbox.reclaim(self._owner)
            self._reclaimed = True
        if time.monotonic() - self._swept < SWEEP_S and self._swept:
            return
        now_us = self._clock.now_us()
        ends = {"delivered_before_us": now_us - int(DELIVERED_S * 1e6), "dead_before_us": now_us - int(DEAD_S * 1e6)}
        while await self._outbox.sweep(most=MOST_SETTLED, **ends):  # noqa: ASYNC110  (slices, with a pause between)
            await asyncio.sleep(0.01)
        self._counts = await self._outbox.counted()
        gone = self._counts.keys() - self._routes.webhooks.keys()
        if gone and self._routes.certain and self._routes.revision >= await newest_revision(self._journal):
            for hook in gone:
                await self.forget(hook)
        self._swept = time.monotonic()
