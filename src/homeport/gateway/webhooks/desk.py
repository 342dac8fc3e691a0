# SPDX-License-Identifier: Apache-2.0
"""`/_gateway/webhooks…`: what the control plane may ask and say about deliveries."""

from __future__ import annotations

from typing import Any

from homeport.errors import HomeportError, NotFound
from homeport.gateway.core.access import Routes
from homeport.gateway.sealing import shown_target
from homeport.gateway.times import rfc3339
from homeport.gateway.webhooks.sender import Sender
from homeport.interfaces.clock import Clock
from homeport.interfaces.outbox import Outbox
from homeport.model.codec import from_json, to_builtins
from homeport.model.webhook import Change


class Desk:
    def __init__(self, outbox: Outbox, sender: Sender, routes: Routes, clock: Clock) -> None:
        self._outbox, self._sender, self._routes, self._clock = outbox, sender, routes, clock

    def changed(self) -> None:
        """The routing table is another, and so may be the webhooks."""
        self._sender.changed()

    async def serve(self, method: str, parts: list[str], query: dict[str, str], raw: bytes) -> Any:
        """Raises `NotFound` for a call that there is not, and what the journal raises."""
        match (method, *parts):
            case ("GET",):
                return {hook: to_builtins(count) for hook, count in (await self._outbox.counted()).items()}
            case ("GET", hook, "deliveries"):
                return await self._deliveries(hook, query)
            case ("POST", hook, "test"):
                if hook not in self._routes.webhooks:
                    raise NotFound("the gateway does not know this webhook yet", subject=hook, hint="try again")
                answered = await self._sender.trial(hook)
                return {"delivered": 200 <= answered.code < 300, "status": answered.code or None, "said": answered.said}
            case ("POST", hook, "retry"):
                await self._outbox.resume(hook)
                again = await self._outbox.retry(hook, from_json(raw, list[str]), now_us=self._clock.now_us())
                self._sender.changed()
                return {"again": again}
            case ("POST", hook, "forget"):
                return {"removed": await self._sender.forget(hook)}
        raise NotFound("no such control call")

    async def _deliveries(self, hook: str, query: dict[str, str]) -> list[dict[str, Any]]:
        try:
            after, limit = int(query.get("after", "0")), min(1000, max(1, int(query.get("limit", "100"))))
        except ValueError:
            raise HomeportError("after and limit are numbers", operation="list deliveries") from None
        standing = query.get("standing", "")
        found = await self._outbox.changes(hook, standing=standing, after=max(0, min(after, 2**62)), limit=limit)
        return [shown(change) for change in found]


def shown(change: Change) -> dict[str, Any]:
    """A delivery for people; times as RFC 3339."""
    return {
        "seq": change.seq,
        "id": change.id,
        "request": change.request,
        "agent": change.agent,
        "method": change.method,
        "target": shown_target(change.target),
        "state": change.state.value,
        "at": rfc3339(change.at_us),
        "delivery": change.standing,
        "tries": change.tries,
        "next_try_at": rfc3339(change.not_before_us) if change.not_before_us and not change.settled_at_us else None,
        "status": change.code or None,
        "said": change.said,
        "settled_at": rfc3339(change.settled_at_us) if change.settled_at_us else None,
    }
