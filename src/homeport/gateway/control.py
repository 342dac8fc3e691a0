# SPDX-License-Identifier: Apache-2.0
"""`/_gateway/…` on the Unix listener: what the control plane may ask and say."""

from __future__ import annotations

import base64
import os
from typing import Any
from urllib.parse import parse_qs

from homeport.errors import HomeportError, NotFound, Unavailable, Unreadable
from homeport.gateway.answers import summary
from homeport.gateway.copying import copy_journal
from homeport.gateway.core.access import Refusal, Routes
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.dispatch import Dispatcher
from homeport.gateway.incoming import Incoming, answer, refuse
from homeport.gateway.metrics.scrape import Scrape
from homeport.gateway.metrics.text import CONTENT_TYPE
from homeport.gateway.sealing import in_block, of_request, of_response
from homeport.gateway.tables import NOTE, newest_revision
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.gateway.webhooks.desk import Desk
from homeport.model.codec import from_json, to_builtins, to_json
from homeport.model.kept import Wanted
from homeport.model.names import DEFAULT_NAMESPACE
from homeport.model.request import TUNNEL, Body, Headers, RequestState, StoredRequest
from homeport.model.route import RoutingTable

SHOWN = 64 * 1024
"""Bytes of a body that are shown."""
SHOWN_MOST = 1024 * 1024
"""And those that may be asked for."""


class Control:
    def __init__(self, tools: Tools, routes: Routes, dispatcher: Dispatcher, desk: Desk) -> None:
        self._tools = tools
        self._routes = routes
        self._dispatcher = dispatcher
        self._desk = desk
        self._scrape = Scrape(tools, routes, dispatcher.courier)

    async def restore(self) -> None:
        """The routing table of our former life: a gateway serves without the control plane."""
        raw = await self._tools.journal.get_note(NOTE)
        if raw is not None:
            self._routes.replace(from_json(raw, RoutingTable))

    async def serve(self, incoming: Incoming, reply: Reply) -> None:
        path, _, query = incoming.rest.partition("?")
        try:
            match (incoming.head.method, incoming.name, *[part for part in path.split("/") if part]):
                case ("PUT", "routes"):
                    answer(reply, 200, await self._put_routes(await self._read(incoming)))
                case ("GET" | "HEAD", "ready"):
                    await self._ready(reply)
                case ("GET" | "HEAD", "live"):
                    answer(reply, 200, {"live": True})
                case ("GET", "status"):
                    answer(reply, 200, await self._status())
                case ("GET", "requests"):
                    answer(reply, 200, await self._list(query))
                case ("POST", "requests", "forget"):
                    answer(reply, 200, await self._forget(await self._read(incoming)))
                case ("GET", "requests", request_id):
                    await self._show(await self._tools.journal.get(request_id), reply, query)
                case ("POST", "requests", request_id, "replay"):
                    await self._replay(request_id, reply)
                case ("POST", "snapshot", folder):
                    answer(reply, 200, await copy_journal(self._tools.journal, self._tools.spool, folder))
                case (method, "webhooks", *parts):
                    raw = await self._read(incoming)
                    answer(reply, 200, await self._desk.serve(method, parts, _values(query), raw))
                case ("POST", "keys", "rotate"):
                    answer(reply, 200, {"key": await self._tools.sealing.keys.rotate()})
                case ("GET", "metrics"):
                    await self._metrics(reply, _values(query).get("namespace", ""))
                case _:
                    refuse(reply, Refusal(404, "NotFound", "no such control call"))
        except HomeportError as error:
            status = 503 if isinstance(error, Unavailable) else 507 if error.retry else 400
            status = 404 if isinstance(error, NotFound) else status
            answer(reply, status, {"error": error.to_dict()})

    async def apply(self, table: RoutingTable) -> bool:
        """Take a newer table over: on disk first, then in force. False where it is not newer."""
        if table.revision <= self._routes.revision:
            return False
        await self._tools.journal.put_note(NOTE, to_json(table))
        if table.revision <= self._routes.revision:
            return False
        self._routes.certain = not table.mirror
        for gone in self._routes.replace(table):
            self._dispatcher.courier.interrupt(gone, "the agent's instance ended before it answered")
        self._desk.changed()
        await self._dispatcher.wake_all()
        return True

    async def _read(self, incoming: Incoming) -> bytes:
        body = await incoming.body.finish()
        data = b"".join(await self._tools.spool.read(body, self._tools.sealing.whose(incoming.id)))
        if body.spool:
            await self._tools.spool.remove(body.spool)
        return data

    async def _put_routes(self, raw: bytes) -> dict[str, Any]:
        table = from_json(raw, RoutingTable)
        if self._tools.journal.shared:
            # Whoever decides now must be known as the one who knows best, whatever its clock says.
            newest = await newest_revision(self._tools.journal)
            if table.revision < newest:
                return {"revision": newest, "applied": False}
        return {"applied": await self.apply(table), "revision": self._routes.revision}

    async def _status(self) -> dict[str, Any]:
        journal = self._tools.journal
        reason = away = journal.away()
        backlog, counts = {}, {}
        if not away:
            try:
                backlog, counts = await journal.backlog(), await journal.counts()
            except Unavailable as error:
                reason = error.message
        return {
            "pid": os.getpid(),
            "revision": self._routes.revision,
            "routes": [to_builtins(route) for route in self._routes.by_key.values()],
            "in_flight": len(self._dispatcher.courier.active),
            "circuits_open": [list(key) for key in self._dispatcher.courier.circuits()],
            "pending": sum(backlog.values()),
            "requests": {state.value: n for state, n in counts.items()},
            "journal": {"away": bool(away), "reason": reason, "shared": journal.shared, "owner": self._tools.owner},
            "journal_sync_p50_s": journal.sync_seconds(),
        }

    async def _list(self, query: str) -> list[dict[str, Any]]:
        values = _values(query)
        try:
            state = RequestState(values["state"]).value if values.get("state") else ""
            limit = min(1000, max(1, int(values.get("limit", "100"))))
            status, since_us, until_us = (int(values.get(name, "0")) for name in ("status", "since_us", "until_us"))
        except ValueError as error:
            raise HomeportError(f"not a valid filter: {error}", operation="list requests") from None
        agent, method, key = (values.get(name, "") for name in ("agent", "method", "key"))
        found = await self._tools.journal.list(
            values.get("namespace", DEFAULT_NAMESPACE),
            Wanted(agent, state, method, key, status, since_us, until_us),
            after=values.get("after", ""),
            limit=limit,
            newer=values.get("newer", ""),
        )
        return [summary(request) for request in found]

    async def _forget(self, raw: bytes) -> dict[str, int]:
        return {"removed": await self._tools.keeping.forget(from_json(raw, list[str]))}

    async def _show(self, request: StoredRequest | None, reply: Reply, query: str) -> None:
        """`most`: how many bytes of a body are shown, 0 for none of them."""
        if request is None:
            refuse(reply, Refusal(404, "NotFound", "no such request", "`homeport requests list` shows those there are"))
            return
        most = _values(query).get("most", str(SHOWN))
        limit = min(SHOWN_MOST, int(most)) if most.isdecimal() else SHOWN
        shown = summary(request) | {"key": request.key, "fence": request.fence}
        await self._part(shown, "", request.headers, request.body, of_request(request.id), limit)
        if request.response is not None:
            kept = request.response
            await self._part(shown, "response_", kept.headers, kept.body, of_response(request.id), limit)
        answer(reply, 200, shown)

    async def _part(
        self, shown: dict[str, Any], prefix: str, headers: Headers, body: Body, whose: str, limit: int
    ) -> None:
        """Headers and body, or else why they cannot be read: the request is shown either way."""
        head: bytes = b""
        try:
            shown[f"{prefix}headers"] = await self._tools.sealing.shown(headers, whose)
            if limit:
                head = await self._tools.spool.head(body, limit, whose if in_block(headers) else "")
        except Unreadable as error:
            shown.setdefault(f"{prefix}headers", [])
            shown["unreadable"] = f"{error.message}; {error.hint}"
        if limit:
            shown[f"{prefix}body"] = base64.b64encode(head).decode()

    async def _replay(self, request_id: str, reply: Reply) -> None:
        before = await self._tools.journal.get(request_id)
        if before is not None and before.method == TUNNEL:
            refuse(reply, Refusal(409, "Conflict", "a WebSocket is never sent again"))
            return
        if before is not None and await self._agent_is_gone(before):
            hint = "send it anew, to an agent that there is"
            refuse(reply, Refusal(409, "Conflict", f"its agent, {before.agent}, was removed", hint))
            return
        request = await self._tools.journal.replay(request_id)
        if before is None:
            refuse(reply, Refusal(404, "NotFound", "no such request", "`homeport requests list` shows those there are"))
        elif request is None:
            refuse(reply, Refusal(409, "Conflict", "it is pending or in flight already"))
        else:
            if before.response is not None and before.response.body.spool:
                await self._tools.spool.remove(before.response.body.spool)
            self._dispatcher.wake((request.namespace, request.agent))
            answer(reply, 200, summary(request))

    async def _agent_is_gone(self, request: StoredRequest) -> bool:
        """Another one of its name is another agent: what waited for the former was not meant for it."""
        key = (request.namespace, request.agent)
        route = self._routes.by_key.get(key)
        here = route is not None and route.agent_id == request.agent_id
        return not here and await self._dispatcher.may_judge(key)

    async def _ready(self, reply: Reply) -> None:
        reason = await self._tools.readiness.reason()
        answer(reply, 503 if reason else 200, {"ready": not reason, "reason": reason})

    async def _metrics(self, reply: Reply, namespace: str) -> None:
        text = (await self._scrape.text(namespace)).encode()
        if reply.open:
            reply.begin(ResponseHead(200, "OK", ((b"Content-Type", CONTENT_TYPE),), len(text)))
            reply.data(text)
            reply.end()


def _values(query: str) -> dict[str, str]:
    try:
        return {name: found[-1] for name, found in parse_qs(query, max_num_fields=20).items()}
    except ValueError:
        raise HomeportError("too many parameters", operation="read the query") from None
