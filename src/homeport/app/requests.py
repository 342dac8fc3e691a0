# SPDX-License-Identifier: Apache-2.0
"""Stored requests for those who may see them: heads, bodies, exports, the live end, and forgetting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from homeport.app.access import Access
from homeport.app.control import Actor
from homeport.errors import NotFound, UsageError
from homeport.gateway.control_client import GatewayControl
from homeport.model.kept import BEGINNING, FINISHED, Wanted
from homeport.model.request import RequestState

PAGE = 1000
WITH_BODIES = 20
"""Requests in one page of an export with bodies."""
BODY_MOST = 1024 * 1024
"""Bytes of each body in an export."""
POLL_S = 0.5
LOOK_BACK_S = 10.0
"""How long a request may take to appear in the journal after those with a later id."""
_OPEN = {RequestState.PENDING.value, RequestState.IN_FLIGHT.value}


class Requests:
    def __init__(self, access: Access, gateway: GatewayControl) -> None:
        self._access, self._gateway = access, gateway

    async def list(self, actor: Actor, wanted: Wanted, *, after: str, limit: int) -> list[dict[str, Any]]:
        await self._access.require(actor, "requests.read", wanted.agent)
        checked(wanted)
        return await self._gateway.requests(actor.namespace, wanted=wanted, after=after, limit=limit)

    async def show(self, actor: Actor, request_id: str, *, bodies: bool) -> dict[str, Any]:
        await self._access.require(actor, "requests.bodies" if bodies else "requests.read", request_id)
        if bodies:
            return self._own(actor, await self._gateway.request(request_id), request_id)
        return await self.head(actor, request_id)

    async def head(self, actor: Actor, request_id: str) -> dict[str, Any]:
        """Without asking whether the actor may."""
        return self._own(actor, await self._gateway.request(request_id, most=0), request_id)

    async def export(
        self, actor: Actor, wanted: Wanted, *, newer: str, limit: int, bodies: bool
    ) -> AsyncIterator[dict[str, Any]]:
        """One page after `newer`, oldest first. Each page is on the audit trail."""
        subject = f"{wanted.agent or '*'} after {newer or 'the beginning'}"
        await self._access.require(actor, "requests.export", subject)
        if bodies:
            await self._access.require(actor, "requests.bodies", subject)
        checked(wanted)
        most = min(limit, WITH_BODIES if bodies else PAGE)
        for found in await self._gateway.requests(actor.namespace, wanted=wanted, newer=newer or BEGINNING, limit=most):
            if not bodies:
                yield found
                continue
            try:
                yield _cut_told(await self._gateway.request(found["id"], most=BODY_MOST))
            except NotFound:
                yield found | {"gone": True}  # forgotten meanwhile

    async def tail(self, actor: Actor, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
        """A record when a request is first seen from now on, and one at each change of its state, until it is over.

        Of more than a thousand that are open at once, the oldest are lost sight of.
        """
        await self._access.require(actor, "requests.read", wanted.agent)
        checked(wanted)
        latest = await self._gateway.requests(actor.namespace, limit=1)
        mark = latest[0]["id"] if latest else BEGINNING
        known: dict[str, tuple[str, float]] = {}
        ever, (low, high) = replace(wanted, state="", status=0), wanted.statuses()
        while True:
            page = await self._gateway.requests(actor.namespace, wanted=ever, newer=mark, limit=PAGE)
            now = time.monotonic()
            for found in page:
                state, since = known.get(found["id"], ("", now))
                if found["state"] != state:
                    known[found["id"]] = (found["state"], since)
                    if wanted.state in ("", found["state"]) and (not low or low <= (found["status"] or 0) <= high):
                        yield found
            ids = [found["id"] for found in page]
            passed = next((n for n, id in enumerate(ids) if _watched(known[id], now)), len(ids))
            if len(page) == PAGE:
                passed = max(passed, PAGE // 2)
            if passed:
                mark = ids[passed - 1]
            known = {id: known[id] for id in ids[passed:]}
            if len(page) < PAGE:
                await asyncio.sleep(POLL_S)

    async def clear(self, actor: Actor, wanted: Wanted) -> dict[str, Any]:
        """Removes up to a thousand finished ones: `removed`, and whether there are `more`."""
        await self._access.require(actor, "requests.write", f"clear {wanted.agent or '*'} {wanted.state}")
        if wanted.state not in {str(state) for state in FINISHED}:
            raise UsageError("only what is over can be cleared", hint="a state: completed, failed or dead")
        page = await self._gateway.requests(actor.namespace, wanted=wanted, limit=PAGE)
        removed = await self._gateway.forget([found["id"] for found in page])
        return {"removed": removed, "more": len(page) == PAGE and removed > 0}

    async def drop(self, actor: Actor, request_id: str) -> dict[str, Any]:
        await self._access.require(actor, "requests.write", f"drop {request_id}")
        head = await self.head(actor, request_id)
        if head["state"] in _OPEN:
            raise UsageError(f"{request_id} is {head['state']}: only what is over can be dropped", subject=request_id)
        return {"id": request_id, "removed": await self._gateway.forget([request_id]) == 1}

    async def replay(self, actor: Actor, request_id: str) -> dict[str, Any]:
        await self._access.require(actor, "requests.write", request_id)
        await self.head(actor, request_id)
        return await self._gateway.replay(request_id)

    @staticmethod
    def _own(actor: Actor, request: dict[str, Any], request_id: str) -> dict[str, Any]:
        if request.get("namespace") != actor.namespace:
            raise NotFound(f"there is no request {request_id!r}", subject=request_id, hint="homeport requests list")
        return request


def checked(wanted: Wanted) -> None:
    """Raises `UsageError` for a state or status that there is not."""
    if wanted.state and wanted.state not in {str(known) for known in RequestState}:
        raise UsageError(f"no request state {wanted.state!r}", hint=f"one of: {', '.join(RequestState)}")
    if wanted.status and not (1 <= wanted.status <= 5 or 100 <= wanted.status <= 599):
        raise UsageError(f"no status {wanted.status}", hint="for example 503, or 5 for all from 500 to 599")


def _watched(seen: tuple[str, float], now: float) -> bool:
    state, since = seen
    return state in _OPEN or now - since < LOOK_BACK_S


def _cut_told(shown: dict[str, Any]) -> dict[str, Any]:
    """`cut`: which bodies are longer than what is here of them."""
    sizes = {"body": shown["bytes"], "response_body": shown["response_bytes"] or 0}
    cut = [name for name, size in sizes.items() if size > BODY_MOST]
    return shown | {"cut": cut} if cut else shown
