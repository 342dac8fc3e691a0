# SPDX-License-Identifier: Apache-2.0
"""Tells the gateway where agents are and who may call them, whenever that changes, until it has heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from homeport.errors import HomeportError
from homeport.gateway.control_client import GatewayControl
from homeport.interfaces.clock import Clock
from homeport.model.agent import Agent, AgentState
from homeport.model.route import Grant, Route, RoutingTable
from homeport.model.webhook import Webhook

log = structlog.get_logger(__name__)

RETRY_S = 0.2
HEARD_S = 10.0
"""Seconds to wait for a gateway that may be away: it learns what it missed when it is back."""
SHARE = 5
"""At most one part in so many of the time goes into publishing: while much changes, each table holds more of it."""


class Publisher:
    def __init__(
        self,
        gateway: GatewayControl,
        clock: Clock,
        agents: Callable[[], list[Agent]],
        grants: Callable[[], Awaitable[tuple[Grant, ...]]],
        *,
        mirror: bool = False,
        webhooks: Callable[[], tuple[Webhook, ...]] = tuple,
    ) -> None:
        """`mirror`: what `agents` gives is a copy that may be some seconds old."""
        self._mirror, self._webhooks = mirror, webhooks
        self._gateway, self._clock, self._agents, self._grants = gateway, clock, agents, grants
        self._dirty = asyncio.Event()
        self._published = 0
        self._wanted = 0
        self._heard = asyncio.Condition()

    def changed(self) -> None:
        """Something the gateway should know has changed. Never blocks; many changes become one table."""
        self._wanted += 1
        self._dirty.set()

    async def settled(self) -> None:
        """Returns once the gateway knows all that had changed when this was called."""
        wanted = self._wanted
        async with self._heard:
            await self._heard.wait_for(lambda: self._published >= wanted)

    async def heard(self) -> bool:
        """The same, but not for longer than `HEARD_S`: false where the gateway does not know it yet."""
        try:
            async with asyncio.timeout(HEARD_S):
                await self.settled()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Until cancelled. The revision is the wall clock in microseconds, so it grows over our restarts too.

        Where the clock was set back meanwhile, the gateway says what it holds, and we go on from there.
        """
        revision, said = 0, ""
        self._dirty.set()
        loop = asyncio.get_running_loop()
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            wanted, began = self._wanted, loop.time()
            revision = max(revision + 1, self._clock.now_us())
            try:
                routes = tuple(route_of(agent) for agent in self._agents())
                table = RoutingTable(revision, routes, await self._grants(), self._mirror, self._webhooks())
                held = await self._gateway.put_routes(table)
            except HomeportError as error:
                if error.message != said:
                    log.warning("publish.gateway_away", error=error.message)
                said = error.message
                self._dirty.set()
                await asyncio.sleep(RETRY_S)
                continue
            if held > revision:
                log.warning("publish.clock_set_back", revision=revision, held=held)
                revision = held
                self._dirty.set()
                continue
            said = ""
            async with self._heard:
                self._published = wanted
                self._heard.notify_all()
            await asyncio.sleep((loop.time() - began) * (SHARE - 1))


def route_of(agent: Agent) -> Route:
    """Ready only while it is healthy: a starting agent gets its requests once it can answer them.

    One that is asked to stop gets nothing new, and may finish what it has: its instance is still there.
    """
    ready = agent.state is AgentState.RUNNING and bool(agent.endpoint)
    there = bool(agent.endpoint) and agent.state in (AgentState.RUNNING, AgentState.STOPPING, AgentState.UNHEALTHY)
    return Route(
        namespace=agent.namespace,
        agent=agent.name,
        agent_id=agent.id,
        endpoint=agent.endpoint if ready else "",
        instance=agent.instance_id if there else "",
        ready=ready,
        reason="" if ready else f"agent is {agent.state}" + (f": {agent.detail}" if agent.detail else ""),
        delivery=agent.workload.delivery,
        honours_keys=agent.workload.honours_keys,
        concurrency=agent.workload.concurrency,
        policy=agent.workload.policy,
    )
