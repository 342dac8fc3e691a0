# SPDX-License-Identifier: Apache-2.0
"""How many may wait for an agent."""

from __future__ import annotations

from homeport.gateway.core.access import Key, Refusal
from homeport.gateway.tools import Tools
from homeport.model.route import Route


class Queues:
    """Those on their way into the journal count as waiting: many at once do not slip past the limit together.

    Of several gateways each may let in a few more than the limit in the same moment.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._entering: dict[Key, int] = {}

    async def enter(self, key: Key, most: int) -> int:
        """How many wait already, counted up to `most`. `leave` afterwards, whatever came of it."""
        before = self._entering.get(key, 0)
        self._entering[key] = before + 1
        return min(most, before + await self._tools.journal.waiting(*key, most=most))

    def leave(self, key: Key) -> None:
        """It is in the journal, or was refused."""
        left = self._entering.get(key, 0) - 1
        if left > 0:
            self._entering[key] = left
        else:
            self._entering.pop(key, None)


def full(route: Route, waiting: int) -> Refusal:
    hint = "nothing was stored; come again when some of them are done"
    if not route.ready:
        reason = route.reason or "the agent is not ready"
        return Refusal(503, "Unavailable", f"{reason}, and {waiting} are waiting for it, the most it may have", hint)
    return Refusal(429, "NoCapacity", f"{waiting} are waiting for this agent, the most it may have", hint)
