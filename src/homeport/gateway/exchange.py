# SPDX-License-Identifier: Apache-2.0
"""One client's request to an agent: into the journal, to the agent, and back — or a promise to fetch later."""

from __future__ import annotations

import asyncio
import hashlib
import logging

from homeport.errors import HomeportError
from homeport.gateway.answers import Answers
from homeport.gateway.core.access import Refusal, Routes
from homeport.gateway.core.delivery import Verdict
from homeport.gateway.core.message import forwarded
from homeport.gateway.core.terms import USUAL, Terms
from homeport.gateway.core.write import request_head
from homeport.gateway.deadlines import Deadlines
from homeport.gateway.direct import Direct, Done
from homeport.gateway.dispatch import Dispatcher
from homeport.gateway.incoming import Incoming, refusal_of, refuse
from homeport.gateway.queues import Queues, full
from homeport.gateway.sealing import of_request
from homeport.gateway.streams import Streams
from homeport.gateway.tools import Tools
from homeport.gateway.waiting import Reply
from homeport.interfaces.journal import Accepted
from homeport.model.request import Body, Headers, RequestState, StoredRequest
from homeport.model.route import Route
from homeport.model.workload import Durability

log = logging.getLogger(__name__)
PATIENCE_S = 30.0
"""How long a caller that asked for nothing waits when the answer was interrupted or must queue."""

MOST_UNSTORED = 512
"""Requests of relaxed durability that were sent and are not on disk yet. On a disk that hangs the next ones wait."""


class Exchange:
    def __init__(
        self,
        tools: Tools,
        routes: Routes,
        dispatcher: Dispatcher,
        answers: Answers,
        streams: Streams,
        deadlines: Deadlines,
    ) -> None:
        self._deadlines = deadlines
        self._queues = Queues(tools)
        self.tools = self._tools = tools
        self.routes = self._routes = routes
        self._dispatcher = dispatcher
        self.courier = self._courier = dispatcher.courier
        self._answers = answers
        self._streams = streams
        self._unstored = 0

    async def serve(self, incoming: Incoming, reply: Reply, route: Route) -> None:
        terms = incoming.terms
        wait = terms.wait
        if wait is not None:
            reply.extra = ((b"Preference-Applied", terms.applied),)
        body = await incoming.body.finish()
        lane = terms.lane(route)
        direct = not lane and route.ready and self._courier.take(route)
        queued = not direct and route.policy.queue > 0
        try:
            refusal = self._tools.keeping.refusal((route.namespace, route.agent), body.size)
            if refusal is None and not direct:
                refusal = await self._no_place(route, terms, lane)
            if refusal is None:
                headers = forwarded(incoming.head, peer=incoming.peer, prefix=f"/agent/{incoming.name}")
                digest = await self._digest(incoming, body) if incoming.head.get(b"idempotency-key") else ""
                request = self._record(incoming, route, body, headers, digest, direct=direct, lane=lane)
                accepted = await self._tools.journal.accept(request)
        except HomeportError as error:
            self._tools.readiness.doubt()
            refusal = refusal_of(error)
        finally:
            if queued:
                self._queues.leave((route.namespace, route.agent))
        if refusal is not None:
            await self.refused(refusal, incoming, reply, route, body, direct=direct)
        else:
            await self.accepted(accepted, request, incoming, reply, route, direct=direct)

    def at_once(self, incoming: Incoming, reply: Reply, route: Route, done: Done) -> bool:
        """The short way, for what asks for nothing special of an agent that is ready. False: it is for `serve`."""
        terms, tools = incoming.terms, self._tools
        body = incoming.body.at_hand()
        if terms is not USUAL or body is None or not route.ready or route.policy.ordered:
            return False
        if not self._courier.take(route):
            return False
        if tools.keeping.refusal((route.namespace, route.agent), body.size) is None:
            try:
                headers = forwarded(incoming.head, peer=incoming.peer, prefix=f"/agent/{incoming.name}")
                digest = ""
                if b"idempotency-key" in incoming.head.fields:
                    digest = hashlib.sha256(_named(incoming) + body.inline).hexdigest()
                request = self._record(incoming, route, body, headers, digest, direct=True, lane="")
                head = request_head(request.method, incoming.rest, headers, body.size, request.id, request.fence)
                short = Direct(self, incoming, request, route, reply, head, done)
                relaxed = route.policy.durability is Durability.RELAXED and not request.key and not tools.journal.shared
                if relaxed and self._unstored < MOST_UNSTORED:
                    stored = tools.journal.accept(request, urgent=False)
                    self._unstored += 1
                    stored.add_done_callback(self._stored)
                    stored.add_done_callback(short.stored)
                    short.send(route)
                else:
                    tools.journal.accept(request).add_done_callback(short.accepted)
                return True
            except HomeportError as error:
                log.debug("not at once: %s", error.message)  # `serve` meets it again, and says so
        self._courier.give((route.namespace, route.agent))
        return False

    def _stored(self, _: asyncio.Future[Accepted]) -> None:
        self._unstored -= 1

    async def refused(
        self, refusal: Refusal, incoming: Incoming, reply: Reply, route: Route, body: Body, *, direct: bool
    ) -> None:
        """It is not in the journal; another with its key may be."""
        held = await self._known(incoming, route, refusal)
        if held is not None:
            await self._repeat(held, incoming, reply, route, body, direct=direct)
            return
        await self._undo(route, body, direct=direct)
        refuse(reply, refusal)

    async def accepted(
        self,
        accepted: Accepted,
        request: StoredRequest,
        incoming: Incoming,
        reply: Reply,
        route: Route,
        *,
        direct: bool,
    ) -> None:
        """It is in the journal, or another with its key is."""
        terms = incoming.terms
        if accepted.existing is not None:
            await self._repeat(accepted.existing, incoming, reply, route, request.body, direct=direct)
            return
        self._tools.metrics.accepted((route.namespace, route.agent), direct=direct)
        if request.deadline_us:
            self._deadlines.note(request.deadline_us)
        if not terms.asynchronous:
            self._tools.waiters.offer(request.id, reply)
        try:
            await self._carry(request, reply, route, terms.wait, direct=direct)
        finally:
            self._tools.waiters.withdraw(request.id)

    async def _carry(
        self, request: StoredRequest, reply: Reply, route: Route, wait: float | None, *, direct: bool
    ) -> None:
        key = (request.namespace, request.agent)
        verdict = None
        if direct:
            now = self._routes.by_key.get(key)
            if now is None or not now.ready or now.agent_id != request.agent_id:
                verdict = Verdict(RequestState.PENDING, "the agent stopped being ready", attempted=False)
                verdict = await self._courier.release(request, verdict, key)
                self._courier.give(key)
            elif wait is None:
                verdict = await self._courier.deliver(request, now)
            else:
                self._dispatcher.start(request, now)
        await self.concluded(request, reply, route, verdict, wait=wait, direct=direct)

    async def concluded(
        self,
        request: StoredRequest,
        reply: Reply,
        route: Route,
        verdict: Verdict | None,
        *,
        wait: float | None = None,
        direct: bool = True,
    ) -> None:
        """After the first attempt, if there was one already: what its caller is told, if the answer has not come."""
        key, patience = (request.namespace, request.agent), wait
        if reply.begun:
            if verdict is not None and verdict.state is RequestState.PENDING:
                self._dispatcher.wake(key)  # its client saw it cut; the next answer is kept for whoever asks
            return
        if verdict is None or verdict.state is RequestState.PENDING:
            if not direct or verdict is not None:
                self._dispatcher.wake(key)
            if patience is None:
                queued = not direct and route.ready and not self._courier.broken(key)
                interrupted = verdict is not None and verdict.attempted
                patience = PATIENCE_S if queued or interrupted else 0.0
            await self._tools.waiters.settled(request.id, patience)
        self._tools.waiters.withdraw(request.id)
        if reply.begun:
            # The answer began while we waited, and comes to its end without us.
            await reply.finished()
        elif reply.open:
            await self._answers.outcome(request.id, reply, self._reason(key))

    async def _repeat(
        self, held: StoredRequest, incoming: Incoming, reply: Reply, route: Route, body: Body, *, direct: bool
    ) -> None:
        digest = await self._digest(incoming, body)
        await self._undo(route, body, direct=direct)
        await self._again(held, digest, reply, incoming.terms.wait, self._streams.wanted(incoming.head))

    async def _known(self, incoming: Incoming, route: Route, refusal: Refusal) -> StoredRequest | None:
        """The request of the same key: a repeat takes no room, and is answered however full everything is."""
        key = incoming.head.get(b"idempotency-key")
        if key is None or refusal.status == 400:
            return None
        try:
            names = (route.namespace, route.agent, route.agent_id)
            return await self._tools.journal.by_key(*names, key.decode("latin-1"))
        except HomeportError:
            return None  # then the refusal stands

    async def _no_place(self, route: Route, terms: Terms, lane: str) -> Refusal | None:
        """Why a request that cannot go to the agent at once is not accepted either; nothing of it is stored then.

        Where there is a limit it holds a place in the queue afterwards, whatever the result.
        """
        key = (route.namespace, route.agent)
        if route.policy.queue:
            waiting = await self._queues.enter(key, route.policy.queue)
            if waiting >= route.policy.queue:
                return full(route, waiting)
        if not terms.fail_fast:
            return None
        if lane:
            message = "what keeps an order may have to wait: fail-fast does not go with it"
            return Refusal(400, "UsageError", message, "leave out X-Homeport-Delivery")
        reason = self._reason(key)
        if route.ready:
            reason = f"the agent has {route.concurrency} requests, which is what it takes at once"
        if route.ready and self._courier.broken(key):
            reason = "the agent takes no connections just now"
        hint = "nothing was stored; without X-Homeport-Delivery: fail-fast it would be kept and delivered"
        return Refusal(503, "Unavailable", f"the agent cannot take it now: {reason}", hint)

    def _record(
        self,
        incoming: Incoming,
        route: Route,
        body: Body,
        headers: Headers,
        digest: str,
        *,
        direct: bool,
        lane: str,
    ) -> StoredRequest:
        """As the journal keeps it; with its first lease if it goes to the agent at once."""
        head, terms, now_us = incoming.head, incoming.terms, self._tools.clock.now_us()
        key = (head.get(b"idempotency-key") or b"").decode("latin-1")
        return StoredRequest(
            id=incoming.id,
            namespace=route.namespace,
            agent=route.agent,
            agent_id=route.agent_id,
            method=head.method,
            target=self._tools.sealing.seal_target(incoming.rest),
            headers=self._tools.sealing.seal(headers, of_request(incoming.id)),
            body=body,
            state=RequestState.IN_FLIGHT if direct else RequestState.PENDING,
            accepted_at_us=now_us,
            key=key,
            fingerprint=self._tools.sealing.fingerprint(digest) if key else "",
            attempts=int(direct),
            fence=int(direct),
            lease_owner=self._tools.owner if direct else "",
            lease_until_us=self._tools.lease_until() if direct else 0,
            outcome="" if direct else self._reason((route.namespace, route.agent)),
            lane=lane,
            priority=terms.priority,
            deadline_us=now_us + int(terms.deadline * 1e6) if terms.deadline else 0,
            once=terms.fail_fast,
            hooks=self._routes.hears_now((route.namespace, route.agent), terms.webhook),
        )

    async def _again(self, held: StoredRequest, digest: str, reply: Reply, wait: float | None, last_id: bytes) -> None:
        """The key was used before: the stored answer, or what stands in its way."""
        if not await self._tools.sealing.same(held.fingerprint, digest):
            refusal = Refusal(422, "Conflict", "this Idempotency-Key was used for another request", "use a new key")
            refuse(reply, refusal, held)
        elif last_id:
            await self._streams.resume(held, last_id, reply)
        elif held.state is RequestState.IN_FLIGHT:
            reply.extra = ()  # it is not waited for, whatever was preferred
            message = "the first request with this Idempotency-Key is still in flight"
            refusal = Refusal(409, "Conflict", message, "`Prefer: wait=N` at Location waits for its answer")
            refuse(reply, refusal, held, ((b"Location", f"/requests/{held.id}".encode()),))
        else:
            reply.extra = (*reply.extra, (b"Idempotent-Replayed", b"true"))
            if held.state is RequestState.PENDING and wait:
                await self._tools.waiters.settled(held.id, wait)
            await self._answers.outcome(held.id, reply, self._reason((held.namespace, held.agent)))

    async def _undo(self, route: Route, body: Body, *, direct: bool) -> None:
        if direct:
            self._courier.give((route.namespace, route.agent))
        if body.spool:
            await self._tools.spool.remove(body.spool)

    def _reason(self, key: tuple[str, str]) -> str:
        route = self._routes.by_key.get(key)
        if route is None:
            return "the agent was removed"
        return route.reason or ("waiting for its turn" if route.ready else "the agent is not ready")

    async def _digest(self, incoming: Incoming, body: Body) -> str:
        """By which a repeat is told from another request with its key."""
        digest = hashlib.sha256(_named(incoming))
        for piece in await self._tools.spool.read(body, self._tools.sealing.whose(incoming.id)):
            digest.update(piece)
        return digest.hexdigest()


def _named(incoming: Incoming) -> bytes:
    return f"{incoming.head.method} {incoming.rest}\n".encode()
