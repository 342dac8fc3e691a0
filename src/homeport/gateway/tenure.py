# SPDX-License-Identifier: Apache-2.0
"""Keeps what is ours and takes over what is nobody's any more, where several gateways share a journal."""

from __future__ import annotations

import asyncio
import logging
import time

from homeport.errors import HomeportError
from homeport.gateway.core.access import Routes
from homeport.gateway.dispatch import Dispatcher
from homeport.gateway.tools import Tools
from homeport.model.request import RequestState

log = logging.getLogger(__name__)
_ROUND = 1 / 3
"""Of a lease: how often leases are renewed and others looked at."""
_MOST_WATCHED = 100
_WAITING = (RequestState.PENDING, RequestState.IN_FLIGHT)


class Tenure:
    """Others are judged only after a whole lease in steady touch with the journal: while it was away nobody could
    renew, and whoever lives does so first when it is back."""

    def __init__(self, tools: Tools, routes: Routes, dispatcher: Dispatcher) -> None:
        self._tools, self._routes, self._dispatcher = tools, routes, dispatcher
        self._steady_since = 0.0
        self._leaving = False

    def leave(self) -> None:
        """Keep what is ours to its end, and take nothing over any more."""
        self._leaving = True

    async def run(self) -> None:
        """Until cancelled. Once a second what other gateways accepted for agents here is delivered, and who waits for
        an answer is told of those that another gateway got.
        """
        period, due = self._tools.lease_s * _ROUND, 0.0
        while True:
            await asyncio.sleep(min(1.0, period))
            began = time.monotonic()
            try:
                await self._tell()
                if not self._leaving:
                    await self._dispatcher.wake_all()
                if began >= due:
                    await self._keep()
                    await self._tools.sealing.keys.follow()
                    due = began + period
                    if time.monotonic() - began > period:
                        self._steady_since = 0.0
                    elif not self._steady_since:
                        self._steady_since = began
                    elif began - self._steady_since > self._tools.lease_s and not self._leaving:
                        await self._take_over()
            except HomeportError as error:
                self._steady_since = 0.0
                log.info("leases cannot be renewed: %s", error.message)
            except Exception:
                # Without renewal all that is in flight here would be taken from us.
                self._steady_since = 0.0
                log.exception("leases were not renewed")

    async def _keep(self) -> None:
        """Renew what is under way here; what is not ours any more nobody here may answer."""
        active = self._dispatcher.courier.active
        before = dict(active)
        held = [(request_id, delivery.request.fence) for request_id, delivery in before.items()]
        if not held:
            await self._tools.journal.counts()  # whether it answers
            return
        kept = await self._tools.journal.renew(held, self._tools.owner, self._tools.lease_until())
        for request_id, delivery in before.items():
            if request_id not in kept and active.get(request_id) is delivery:
                delivery.gone("its lease was over, and another gateway has judged it")

    async def _take_over(self) -> None:
        """Judge what is overdue, whoever accepted it."""
        found = await self._tools.journal.interrupted(owner="", now_us=self._tools.clock.now_us())
        for request in found:
            if request.id in self._dispatcher.courier.active:
                continue
            if await self._dispatcher.may_judge((request.namespace, request.agent)):
                log.warning("request %s is taken over from gateway %s", request.id, request.lease_owner)
                await self._dispatcher.judge(request, f"the gateway of {request.lease_owner!r}, which had it, is gone")

    async def _tell(self) -> None:
        watched = self._tools.waiters.watched() - self._dispatcher.courier.active.keys()
        for request_id in sorted(watched)[:_MOST_WATCHED]:
            request = await self._tools.journal.get(request_id)
            if request is not None and request.state not in _WAITING:
                self._tools.waiters.settle(request_id)
