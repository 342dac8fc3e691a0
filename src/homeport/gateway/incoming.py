# SPDX-License-Identifier: Apache-2.0
"""A request as it comes in, and the answers the gateway gives in its own name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.gateway.core.access import Caller, Refusal
from homeport.gateway.core.message import RequestHead, ResponseHead
from homeport.gateway.core.terms import USUAL, Terms
from homeport.gateway.core.write import json_answer
from homeport.gateway.spool import BodyWriter
from homeport.gateway.waiting import Reply
from homeport.model.request import Headers, StoredRequest

MAX_BODY = 1024**3
"""Bytes of a request body."""
PROBES = ("ready", "live")
"""What `/_gateway/…` answers to everybody."""
_SOON: Headers = ((b"Retry-After", b"2"),)


@dataclass(slots=True)
class Incoming:
    """`room` is the first part of the path, `name` the second, `rest` what follows with its "/" and the query."""

    id: str
    head: RequestHead
    peer: str
    room: str
    name: str
    rest: str
    body: BodyWriter
    caller: Caller | None = None
    refusal: Refusal | None = None
    terms: Terms = USUAL

    def refuse(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.body.discard()


def refusal_of(error: HomeportError) -> Refusal:
    """How an error of ours looks on the data plane."""
    status = 507 if isinstance(error, StorageFull) else 503 if isinstance(error, Unavailable) else 500
    return Refusal(status, error.type, error.message, error.hint)


def refuse(reply: Reply, refusal: Refusal, about: StoredRequest | None = None, headers: Headers = ()) -> None:
    """The refusal as the whole answer, counted, with the id of the request it is about; one that will pass says when
    to come again."""
    if not reply.begun:
        reply.refused(refusal.status)
    known = {"id": about.id, "status": about.state.value} if about is not None else {}
    soon = _SOON if refusal.status in (429, 503) else ()
    answer(reply, refusal.status, refusal.to_dict() | known, (*headers, *soon))


def answer(reply: Reply, status: int, value: Any, headers: Headers = ()) -> None:
    """A whole JSON answer. Nothing happens where the client has left or a response has begun."""
    if not reply.open:
        return
    head, body = json_answer(status, value, headers)
    reply.begin(head)
    reply.data(body)
    reply.end()


async def pour(reply: Reply, head: ResponseHead, request_id: str, pieces: Iterator[bytes]) -> None:
    """A stored answer, as fast as it is read; cut where a piece of it cannot be had. Nothing where the client left."""
    if not reply.open:
        return
    reply.begin(head, request_id)
    try:
        for piece in pieces:
            reply.data(piece)
            if not await reply.drained():
                break
    except HomeportError:
        reply.cut()
        return
    reply.end()
