# SPDX-License-Identifier: Apache-2.0
"""What the journal knows about a request, for its caller: status, stored response, promise or regret."""

from __future__ import annotations

from typing import Any

from homeport.gateway.core.access import Caller, Refusal
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.core.prefer import wait_preference
from homeport.gateway.core.retry import missed_deadline
from homeport.gateway.incoming import Incoming, answer, pour, refuse
from homeport.gateway.live import DROPPED
from homeport.gateway.sealing import of_response, shown_target, whose_response
from homeport.gateway.streams import Streams
from homeport.gateway.times import rfc3339
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.model.request import RequestState, StoredRequest, StoredResponse

_UNKNOWN = Refusal(404, "NotFound", "no such request", "ids begin with req_; `homeport requests list` shows them")
UNDER_WAY = "the agent has it"
"""Why there is no answer yet to what is in flight, whatever became of the attempt before."""


class Answers:
    def __init__(self, tools: Tools, streams: Streams) -> None:
        self._tools = tools
        self._streams = streams

    async def serve(self, incoming: Incoming, reply: Reply, caller: Caller) -> None:
        """`GET /requests/ID` and `GET /requests/ID/response`, for those who may call its agent."""
        path = incoming.rest.partition("?")[0].rstrip("/")
        if incoming.head.method not in ("GET", "HEAD"):
            refuse(reply, Refusal(405, "UsageError", "only GET"), headers=((b"Allow", b"GET, HEAD"),))
            return
        request = await self._tools.journal.get(incoming.name)
        if (
            request is None
            or path not in ("", "/response")
            or request.namespace != caller.namespace
            or not caller.may_call(request.agent)
        ):
            refuse(reply, _UNKNOWN)
            return
        if last_id := self._streams.wanted(incoming.head):
            await self._streams.resume(request, last_id, reply)
            return
        wait = wait_preference(incoming.head.get(b"prefer"))
        if wait is not None:
            reply.extra = ((b"Preference-Applied", b"wait=%d" % wait),)
            if request.state in (RequestState.PENDING, RequestState.IN_FLIGHT):
                await self._tools.waiters.settled(request.id, wait)
        if path:
            await self.outcome(request.id, reply, "")
            return
        request = await self._tools.journal.get(incoming.name) or request
        answer(reply, 200, summary(request))

    async def outcome(self, request_id: str, reply: Reply, reason: str) -> None:
        """The stored response, or 202 while there is none, or 502 when there will be none."""
        request = await self._tools.journal.get(request_id)
        if request is None:
            refuse(reply, _UNKNOWN)
        elif request.response is not None:
            await self._stored(request, request.response, reply)
        elif request.state in (RequestState.PENDING, RequestState.IN_FLIGHT):
            self._promise(request, reply, reason)
        else:
            status = 504 if missed_deadline(request) else 502
            refusal = Refusal(
                status,
                "Unavailable",
                f"no answer: {request.outcome}",
                f"`homeport requests replay {request.id}` sends it again",
            )
            refuse(reply, refusal, request)

    def _promise(self, request: StoredRequest, reply: Reply, reason: str) -> None:
        url = f"/requests/{request.id}"
        self._tools.metrics.promised()
        value = {
            "id": request.id,
            "status": request.state.value,
            "status_url": url,
            "reason": UNDER_WAY if request.state is RequestState.IN_FLIGHT else request.outcome or reason,
        }
        answer(reply, 202, value, ((b"Location", url.encode()),))

    async def _stored(self, request: StoredRequest, response: StoredResponse, reply: Reply) -> None:
        if response.status == 101:
            refusal = Refusal(410, "NotFound", "this was a WebSocket: what it said was not kept")
            refuse(reply, refusal, request)
            return
        body = response.body
        sent = request.method != "HEAD" and response.status not in (204, 304)
        if sent and body.size and not body.spool and not body.inline:
            refusal = Refusal(410, "NoCapacity", "the answer was not kept: the disk was full when it came")
            refuse(reply, refusal, request)
            return
        headers = await self._tools.sealing.unseal(response.headers, of_response(request.id))
        if any(name == DROPPED for name, _ in headers):
            refusal = Refusal(410, "NoCapacity", "only the end of this event stream was kept", "send Last-Event-ID")
            refuse(reply, refusal, request)
            return
        pieces = await self._tools.spool.read(body, whose_response(request, response)) if sent else iter(())
        await pour(reply, ResponseHead(response.status, response.reason, headers, body.size), request.id, pieces)


def summary(request: StoredRequest) -> dict[str, Any]:
    """One line about a request; times as RFC 3339, sizes in bytes."""
    response = request.response
    return {
        "id": request.id,
        "namespace": request.namespace,
        "agent": request.agent,
        "method": request.method,
        "target": shown_target(request.target),
        "state": request.state.value,
        "attempts": request.attempts,
        "accepted_at": rfc3339(request.accepted_at_us),
        "outcome": request.outcome,
        "bytes": request.body.size,
        "status": response.status if response else None,
        "answered_at": rfc3339(response.at_us) if response else None,
        "response_bytes": response.body.size if response else None,
        "response_url": f"/requests/{request.id}/response",
    }
