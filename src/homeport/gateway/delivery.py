# SPDX-License-Identifier: Apache-2.0
"""One request on its way to one instance: carries out the commands of `core.attempt`."""

from __future__ import annotations

import asyncio
import time

from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.gateway.core.attempt import (
    Answered,
    Answering,
    Attempt,
    Complete,
    Cut,
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
from homeport.gateway.core.message import ResponseHead, relayed
from homeport.gateway.core.write import request_head
from homeport.gateway.sockets.agents import AgentConnection, AgentPool
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.model.request import Body, RequestState, StoredRequest, StoredResponse
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
        self.started = time.monotonic()
        self._pool = pool
        self._tools = tools
        self._max_idle = REUSE_S if repeatable else REUSE_ONCE_S
        self._attempt = Attempt(repeatable=repeatable, attempts=request.attempts)
        self._connection: AgentConnection | None = None
        self._again: asyncio.Future[bool] | None = None
        self._verdict: Verdict | None = None
        self._reply: Reply | None = None
        self._head: ResponseHead | None = None
        self._body = tools.spool.writer(f"{request.id}.{request.fence}.answer")
        self._kept = True

    async def run(self) -> Verdict | None:
        try:
            headers = self._tools.sealing.unseal(self.request.headers)
            target = self._tools.sealing.unseal_target(self.request.target)
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
            self._again = asyncio.get_running_loop().create_future()
            self._connection = connection
            await self._send(connection, head)
            if not await self._again:
                break
            self._max_idle = -1.0  # a fresh one
        if self._verdict is not None:
            self._body.discard()
        return self._verdict

    async def response(self) -> StoredResponse:
        """The whole answer, its body on disk if it is large. A body that found no room has a size but no bytes."""
        assert self._head is not None
        try:
            body = await self._body.finish() if self._kept else Body(size=self._body.size)
        except StorageFull:
            body = Body(size=self._body.size)
        return StoredResponse(
            self._head.status,
            self._head.reason,
            self._tools.sealing.seal(self._head.headers),
            body if self.request.method != "HEAD" else Body(size=max(0, self._head.length)),
            self._tools.clock.now_us(),
        )

    def gone(self, why: str) -> None:
        """Nobody will answer any more; if nothing was sent yet, nothing is unknown."""
        self._handle(Gone(why) if self._connection is not None else Refused(why))

    def pause(self) -> None:
        if self._connection is not None and not self._attempt.ended:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None and not self._attempt.ended:
            self._connection.resume()

    def answering(self, head: ResponseHead) -> None:
        self._handle(Answering(head))

    def answer(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.data(data)
        if self._kept:
            try:
                self._body.write(data)
            except HomeportError:
                # The client still gets all of it; only the copy is given up.
                self._kept = False
                self._body.discard()
        else:
            self._body.size += len(data)

    def ended(self) -> None:
        self._handle(Answered())

    def lost(self, why: str, sent: Sent, *, stale: bool) -> None:
        self._handle(Lost(why, sent, stale))

    async def _send(self, connection: AgentConnection, head: bytes) -> None:
        body = self.request.body
        connection.start(self, self.request.method)
        if not body.spool:
            connection.write(head + body.inline)
            return
        connection.write(head, last=False)
        left = body.size
        try:
            for piece in await self._tools.spool.read(body):
                if not await connection.drained():
                    return
                left -= len(piece)
                connection.write(piece, last=left == 0)
        except HomeportError as error:
            connection.abort()
            self._verdict = Verdict(RequestState.FAILED, error.message)
            self._attempt.ended = True
            self._decide(again=False)

    def _handle(self, event: Event) -> None:
        for command in self._attempt.handle(event):
            if isinstance(command, Relay):
                self._relay(command.head)
            elif isinstance(command, Complete):
                self._tools.metrics.answered(self.request, self._head)
                if self._reply is not None:
                    self._reply.end()
                self._decide(again=False)
            elif isinstance(command, SendAgain):
                self._decide(again=True)
            elif isinstance(command, Cut):
                if self._reply is not None:
                    self._reply.cut()
            elif isinstance(command, Release):
                self._verdict = command.verdict
                self._decide(again=False)
            elif isinstance(command, HangUp) and self._connection is not None:
                self._connection.abort()

    def _relay(self, head: ResponseHead) -> None:
        head = ResponseHead(head.status, head.reason, relayed(head.headers), head.length)
        self._head = head
        self._reply = self._tools.waiters.claim(self.request.id)
        if self._reply is not None:
            self._reply.begin(head, self.request.id, self)

    def _decide(self, *, again: bool) -> None:
        if self._again is not None and not self._again.done():
            self._again.set_result(again)
