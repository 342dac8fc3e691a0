# SPDX-License-Identifier: Apache-2.0
"""Gives up in time what waits past its caller's deadline, whether or not its agent is there."""

from __future__ import annotations

import asyncio
import logging

from homeport.errors import HomeportError
from homeport.gateway.core.retry import expired
from homeport.gateway.courier import Courier
from homeport.gateway.tools import Tools
from homeport.gateway.waking import wait_for

log = logging.getLogger(__name__)
_ROUND_S = 30.0
"""Seconds after which the journal is asked even if nobody here has set a deadline: another gateway may be gone."""
_PAUSE_S = 1.0


class Deadlines:
    def __init__(self, tools: Tools, courier: Courier) -> None:
        self._tools = tools
        self._courier = courier
        self._next_us = 0
        self._nearer = asyncio.Event()

    def note(self, deadline_us: int) -> None:
        """One more has a deadline."""
        if not self._next_us or deadline_us < self._next_us:
            self._next_us = deadline_us
            self._nearer.set()

    async def run(self) -> None:
        while True:
            try:
                await self._give_up()
            except HomeportError as error:
                log.info("deadlines cannot be looked at: %s", error.message)
                await asyncio.sleep(_PAUSE_S)
                continue
            left = (self._next_us - self._tools.clock.now_us()) / 1e6 if self._next_us else _ROUND_S
            await wait_for(self._nearer, min(_ROUND_S, max(0.001, left)))

    async def _give_up(self) -> None:
        while True:
            self._nearer.clear()
            self._next_us = 0
            found = await self._tools.journal.expiring()
            now_us = self._tools.clock.now_us()
            late = [request for request in found if request.deadline_us <= now_us]
            for request in late:
                await self._courier.abandon(request, expired(request))
            if len(late) < len(found):
                self.note(found[len(late)].deadline_us)
                return
            if not found:
                return
