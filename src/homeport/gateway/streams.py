# SPDX-License-Identifier: Apache-2.0
"""Event streams for those who come back: what is held after the last event they saw, then the live rest.

Where that is not known they are told so; a stream never seems to have ended that was cut.
"""

from __future__ import annotations

import time

from homeport.errors import HomeportError
from homeport.gateway.core.access import Caller, Refusal
from homeport.gateway.core.events import is_event_stream, offset_after
from homeport.gateway.core.message import RequestHead, ResponseHead
from homeport.gateway.incoming import Incoming, pour, refuse
from homeport.gateway.live import DROPPED, LiveStream
from homeport.gateway.sealing import of_response, whose_response
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.model.request import RequestState, StoredRequest, StoredResponse


class Streams:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def wanted(self, head: RequestHead) -> bytes:
        """The last event that a client has seen of a stream it comes back for; b"" where it does not."""
        return (head.get(b"last-event-id") or b"") if head.method in ("GET", "POST") else b""

    async def again(self, incoming: Incoming, caller: Caller, reply: Reply) -> bool:
        """A repeated GET that names its request and the last event it saw; False where it is none."""
        head = incoming.head
        name, last_id = head.get(b"x-homeport-request-id"), self.wanted(head)
        if name is None or not last_id or head.method != "GET":
            return False
        incoming.body.discard()
        request = await self._tools.journal.get(name.decode("latin-1"))
        if request is None or (request.namespace, request.agent) != (caller.namespace, incoming.name):
            hint = "ask without X-Homeport-Request-Id to begin anew"
            refuse(reply, Refusal(404, "NotFound", "no such request", hint))
        else:
            await self.resume(request, last_id, reply)
        return True

    async def resume(self, request: StoredRequest, last_id: bytes, reply: Reply) -> None:
        """What came after that event, or why not."""
        live = self._tools.live.get(request.id)
        if request.attempts > 1:
            self._refuse(reply, request, 409, "the stream was begun anew by another attempt: its events are others")
        elif live is not None:
            await self._follow(live, request, last_id, reply)
        elif request.response is not None:
            await self._stored(request, request.response, last_id, reply)
        elif request.state is RequestState.IN_FLIGHT:
            self._refuse(reply, request, 409, "no event of it has passed here yet")
        elif request.state is RequestState.PENDING:
            self._refuse(reply, request, 409, f"the stream has not begun: {request.outcome}")
        else:
            self._refuse(reply, request, 410, f"the stream was cut: {request.outcome}")

    async def _follow(self, live: LiveStream, request: StoredRequest, last_id: bytes, reply: Reply) -> None:
        number = live.log.after(last_id)
        if number is None:
            self._unknown(reply, request, last_id)
            return
        live.readers += 1
        live.returned()
        try:
            reply.begin(ResponseHead(live.head.status, live.head.reason, live.head.headers, -1), request.id)
            while (events := live.log.since(number)) is not None:
                for event in events:
                    reply.data(event)
                number += len(events)
                if not await reply.drained():
                    return
                if live.ended and live.log.since(number) == []:
                    if live.whole:
                        reply.end()
                    return
                if not live.ended and live.log.since(number) == []:
                    await live.changed()
        finally:
            live.readers -= 1
            live.heard = time.monotonic()
            if not reply.ended:
                reply.cut()

    async def _stored(self, request: StoredRequest, response: StoredResponse, last_id: bytes, reply: Reply) -> None:
        headers = await self._tools.sealing.unseal(response.headers, of_response(request.id))
        head = ResponseHead(response.status, response.reason, headers, response.body.size)
        if not is_event_stream(head):
            self._refuse(reply, request, 409, "its answer is no event stream", "ask without Last-Event-ID")
            return
        try:
            whose = whose_response(request, response)
            offset = offset_after(await self._tools.spool.read(response.body, whose), last_id)
        except HomeportError as error:
            self._refuse(reply, request, 410, error.message)
            return
        if offset is None:
            self._unknown(reply, request, last_id)
            return
        head.headers = tuple((name, value) for name, value in headers if name != DROPPED)
        head.length -= offset
        pieces = await self._tools.spool.read(response.body, whose, offset)
        await pour(reply, head, request.id, pieces)

    def _unknown(self, reply: Reply, request: StoredRequest, last_id: bytes) -> None:
        shown = last_id.decode("utf-8", "replace")[:100]
        self._refuse(reply, request, 410, f"what came after event {shown!r} is not held")

    def _refuse(self, reply: Reply, request: StoredRequest, status: int, why: str, hint: str = "") -> None:
        kind = "Conflict" if status == 409 else "NotFound"
        hint = hint or f"`GET /requests/{request.id}` says what became of it"
        refuse(reply, Refusal(status, kind, why, hint), request)
