# SPDX-License-Identifier: Apache-2.0
"""One request on its way to one instance: carries out the commands of `core.attempt`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.gateway.core.attempt import (
    Answered,
    Answering,
    Attempt,
    Complete,
    Cut,
    Declined,
    Event,
    Gone,
    HangUp,
    Lost,
    Refused,
    Relay,
    Release,
    SendAgain,
)
from homeport.gateway.core.delivery import Sent, Verdict
from homeport.gateway.core.events import is_event_stream
from homeport.gateway.core.message import ResponseHead, relayed
from homeport.gateway.core.retry import after_status, retry_after
from homeport.gateway.core.write import request_head
from homeport.gateway.live import LONELY_S, LiveStream
from homeport.gateway.sealing import of_request, of_response, whose_request
from homeport.gateway.sockets.agents import AgentConnection, AgentPool
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.model.request import Body, Headers, RequestState, StoredRequest, StoredResponse
from homeport.model.route import Route

REUSE_S, REUSE_ONCE_S = 30.0, 1.0
"""How long a connection may have been idle: for a request that may be repeated, and for one that may not."""


class Delivery:
    """`run` it once; then, if it was answered, `response` is what to keep."""

    def __init__(
        self, request: StoredRequest, route: Route, pool: AgentPool, tools: Tools, *, repeatable: bool
    ) -> None:
        self.request = request
        self.route = route
        self._began = self.started = time.monotonic()
        self._pool = pool
        self._tools = tools
        self._max_idle = REUSE_S if repeatable else REUSE_ONCE_S
        self._retry = route.policy.retry
        self._declinable = self._retry.statuses if repeatable else ()
        self._attempt = Attempt(repeatable=repeatable, attempts=request.attempts, most=self._retry.attempts)
        self.given_up: Verdict | None = None
        self.unkept = False
        """It was sent before it was stored, and could not be."""
        self.reached: Callable[[], None] | None = None
        """Called when the agent took a connection."""
        self._connection: AgentConnection | None = None
        self._again: asyncio.Future[bool] | None = None
        self._then: Callable[[bool], None] | None = None
        self.verdict: Verdict | None = None
        self._reply: Reply | None = None
        self._head: ResponseHead | None = None
        self._inline = request.body.inline
        self._body = tools.spool.writer(f"{request.id}.{request.fence}.answer")
        self._kept = True
        self._held_back = False
        self._live: LiveStream | None = None
        self._trimmed = False

    def send(self, head: bytes, then: Callable[[bool], None]) -> bool:
        """The first try of a request whose body is in memory, on a connection that is there; False where none is.

        `then` is told whether it is to be tried again. However that ends: `run` goes on from there.
        """
        connection = self._pool.idle(self._max_idle)
        if connection is None:
            return False
        if self.reached is not None:
            self.reached()
        self._then = then
        self._connection = connection
        connection.start(self, self.request.method)
        connection.write(head + self.request.body.inline)
        return True

    async def run(self) -> Verdict | None:
        if self._attempt.ended:
            return self._ended()
        try:
            headers = await self._tools.sealing.unseal(self.request.headers, of_request(self.request.id))
            target = self._tools.sealing.unseal_target(self.request.target)
            whose, body = whose_request(self.request), self.request.body
            if (whose or len(body.inline) > body.size) and not body.spool:
                self._inline = b"".join(await self._tools.spool.read(self.request.body, whose))
        except Unavailable as error:
            return Verdict(RequestState.PENDING, error.message, attempted=False)
        except HomeportError as error:
            return Verdict(RequestState.FAILED, error.message, attempted=False)
        request = self.request
        head = request_head(request.method, target, headers, request.body.size, request.id, request.fence)
        while not self._attempt.ended:
            try:
                connection = await self._pool.acquire(self._max_idle)
            except Unavailable as error:
                self._handle(Refused(error.message))
                break
            if self._attempt.ended:
                connection.abort()
                break
            if self.reached is not None:
                self.reached()
            self._again = asyncio.get_running_loop().create_future()
            self._connection = connection
            await self._send(connection, head)
            if not await self._again:
                break
        return self._ended()

    def _ended(self) -> Verdict | None:
        if self.verdict is not None:
            self._body.discard()
        return self.verdict

    def at_hand(self) -> StoredResponse | None:
        """As `response`, where that need not wait; None leaves it to that."""
        head = self._head
        if self._trimmed or not self._kept or head is None or self._tools.sealing.needed(head.headers):
            return None
        body = self._body.at_hand()
        return None if body is None else self._response(head, head.headers, body)

    async def response(self) -> StoredResponse:
        """The whole answer, its body on disk if it is large. A body that found no room has a size but no bytes; of a
        very long event stream it is the end."""
        assert self._head is not None
        headers = self._head.headers
        if self._live is not None and self._trimmed:
            tail, dropped = self._live.tail()
            self._body.discard()
            self._body = self._tools.spool.writer(f"{self.request.id}.{self.request.fence}.answer")
            self._body.write(tail)
            headers, self._trimmed = (*headers, *dropped), False
            self._head.headers = headers
        try:
            body = await self._body.finish() if self._kept else Body(size=self._body.size)
        except StorageFull:
            body = Body(size=self._body.size)
        return self._response(self._head, self._tools.sealing.seal(headers, of_response(self.request.id)), body)

    def _response(self, head: ResponseHead, sealed: Headers, body: Body) -> StoredResponse:
        return StoredResponse(
            head.status,
            head.reason,
            sealed,
            body if self.request.method != "HEAD" else Body(size=max(0, head.length)),
            self._tools.clock.now_us(),
        )

    def gone(self, why: str) -> None:
        """Nobody will answer any more; if nothing was sent yet, nothing is unknown."""
        self._handle(Gone(why) if self._connection is not None else Refused(why))

    def tick(self, now: float) -> None:
        """Once a second: a stream that was only to be looked at ends when nobody looks."""
        live = self._live
        if live is None or live.ended:
            return
        reply, silent = self._reply, now - self.started > LONELY_S
        if live.readers or (reply is not None and reply.listening and not (reply.half_closed and silent)):
            live.heard = now
        elif self.request.method == "GET" and now - live.heard > LONELY_S and not self._attempt.ended:
            if self._connection is not None:
                self._connection.abort()
            self._fail(f"nobody read the stream for {LONELY_S:.0f} s")

    def pause(self) -> None:
        self._held_back = True
        if self._live is not None and self._live.readers:
            self._returned()
        elif self._connection is not None and not self._attempt.ended:
            self._connection.pause()

    def resume(self) -> None:
        self._held_back = False
        if self._connection is not None and not self._attempt.ended:
            self._connection.resume()

    def answering(self, head: ResponseHead) -> None:
        if head.status in self._declinable:
            now_us = self._tools.clock.now_us()
            asked, chance = retry_after(head.headers, now_us), random.random()  # noqa: S311
            after = after_status(self.request, self._retry, asked=asked, now_us=now_us, chance=chance)
            self._handle(Declined(head, after))
        else:
            self._handle(Answering(head))

    def answer(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.data(data)
        if self._live is not None:
            self._stream(self._live, data)
        if self._trimmed:
            self._body.size += len(data)
        elif self._kept:
            try:
                self._body.write(data)
            except HomeportError:
                # The client still gets all of it; only the copy is given up.
                self._kept = False
                self._body.discard()
        else:
            self._body.size += len(data)

    def heard(self) -> None:
        if self._reply is not None:
            self._reply.flush()

    def ended(self) -> None:
        self._handle(Answered())

    def lost(self, why: str, sent: Sent, *, stale: bool) -> None:
        self._handle(Lost(why, sent, stale))

    async def _send(self, connection: AgentConnection, head: bytes) -> None:
        body = self.request.body
        connection.start(self, self.request.method)
        if not body.spool:
            connection.write(head + self._inline)
            return
        left = body.size
        try:
            pieces = await self._tools.spool.read(body, whose_request(self.request))
            connection.write(head, last=False)
            for piece in pieces:
                if not await connection.drained():
                    return
                left -= len(piece)
                connection.write(piece, last=left == 0)
        except HomeportError as error:
            connection.abort()
            self._fail(error.message)

    def _fail(self, why: str) -> None:
        self.verdict = Verdict(RequestState.FAILED, why)
        self._attempt.ended = True
        self._end_live(whole=False)
        self._decide(again=False)

    def _stream(self, live: LiveStream, data: bytes) -> None:
        """For those who come back; and a stream that goes on is not late."""
        live.feed(data)
        self.started = time.monotonic()
        if self._body.size + len(data) > live.limits.stored and not self._trimmed and self._kept:
            self._trimmed = True
            self._body.discard()

    def _returned(self) -> None:
        """A client came back for the stream: one that holds it back is taken for gone."""
        if self._held_back and self._reply is not None:
            self._reply.cut()
            self._reply = None
            self.resume()

    def _end_live(self, *, whole: bool) -> None:
        if self._live is not None:
            self._live.end(whole=whole)

    def _handle(self, event: Event) -> None:
        for command in self._attempt.handle(event):
            if isinstance(command, Relay):
                self._relay(command.head)
            elif isinstance(command, Complete):
                self.given_up = command.given_up
                self._count()
                if self._reply is not None:
                    self._reply.end()
                self._end_live(whole=True)
                self._decide(again=False)
            elif isinstance(command, SendAgain):
                self._decide(again=True)
            elif isinstance(command, Cut):
                if self._reply is not None:
                    self._reply.cut()
                self._end_live(whole=False)
            elif isinstance(command, Release):
                self.verdict = command.verdict
                self._decide(again=False)
            elif isinstance(command, HangUp) and self._connection is not None:
                self._connection.abort()

    def _count(self) -> None:
        if self.given_up is None:
            self._tools.metrics.answered(self.request, self._head, time.monotonic() - self._began)
        else:
            key = (self.request.namespace, self.request.agent)
            self._tools.metrics.released(key, self.given_up.state, self._head.status if self._head else 0)

    def _relay(self, head: ResponseHead) -> None:
        head = ResponseHead(head.status, head.reason, relayed(head.headers), head.length)
        self._head = head
        if head.length < 0 and is_event_stream(head):
            self._live = LiveStream(head, self._tools.event_limits, self._returned)
            self._tools.live[self.request.id] = self._live
        self._reply = self._tools.waiters.claim(self.request.id)
        if self._reply is not None:
            self._reply.begin(head, self.request.id, self)

    def _decide(self, *, again: bool) -> None:
        if again:
            self._max_idle = -1.0  # a fresh one
        if self._then is not None:
            then, self._then = self._then, None
            then(again)
        elif self._again is not None and not self._again.done():
            self._again.set_result(again)
