# SPDX-License-Identifier: Apache-2.0
"""Tells a standby's gateway which agents there are and who may call them, as the shared store has it; none runs here.

Without that it would take the requests of an agent it never heard of for those of one that was removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from homeport.app.access import Access
from homeport.app.loops.publish import Publisher
from homeport.app.webhooks import stored_webhooks
from homeport.errors import HomeportError
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.clock import Clock
from homeport.interfaces.store import Store
from homeport.model.agent import Agent
from homeport.model.route import Grant
from homeport.model.token import Token
from homeport.model.webhook import Webhook

log = structlog.get_logger(__name__)
PERIOD_S = 2.0
"""Seconds after which an agent or a token that was made elsewhere is known here."""


class Mirror:
    """`access` gives a fresh view of the tokens; `where` says which server keeps the agents."""

    def __init__(
        self, store: Store, access: Callable[[], Access], gateway: GatewayControl, clock: Clock,
        where: Callable[[], str],
    ) -> None:  # fmt: skip
        self._store, self._access, self._where = store, access, where
        self._hooks: tuple[Webhook, ...] = ()
        self._publisher = Publisher(
            gateway, clock, lambda: self._agents, self._grants, mirror=True, webhooks=lambda: self._hooks
        )
        self._agents: list[Agent] = []
        self._tokens = access()
        self._seen: object = None
        self._said = ""

    async def run(self) -> None:
        """Until cancelled. Nothing is published before everything was read once."""
        publishing: asyncio.Task[None] | None = None
        try:
            while True:
                if await self._look():
                    publishing = publishing or asyncio.create_task(self._publisher.run())
                    self._publisher.changed()
                await asyncio.sleep(PERIOD_S)
        finally:
            if publishing is not None:
                publishing.cancel()
                await asyncio.gather(publishing, return_exceptions=True)

    async def _look(self) -> bool:
        """Whether there is anything new."""
        try:
            agents = [item.record for item in await self._store.list(Agent, limit=100_000)]
            tokens = [(item.key, item.revision) for item in await self._store.list(Token, limit=100_000)]
            hooks, where = tuple(await stored_webhooks(self._store)), self._where()
            if (agents, tokens, hooks, where) == self._seen:
                return False
            fresh = self._access()
            await fresh.load()
        except HomeportError as error:
            if error.message != self._said:
                log.warning("mirror.stale", error=error.message)
            self._said = error.message
            return False
        self._said = ""
        self._tokens, self._hooks, self._seen = fresh, hooks, (agents, tokens, hooks, where)
        self._agents = [replace(agent, endpoint="", detail=f"it is kept by {where}") for agent in agents]
        return True

    async def _grants(self) -> tuple[Grant, ...]:
        return await self._tokens.grants()
