# SPDX-License-Identifier: Apache-2.0
"""Webhooks: who is told of changes of requests. Signing secrets come out once, when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from homeport.api.bodies import Removed, answer, read_body
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.model.request import RequestState
from homeport.model.webhook import WebhookView

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """`agent` "": every agent. `states` []: every change. `named`: only requests that name it.

    `secret` "": one is made; else `whsec_` and 24 to 64 bytes in base64.
    """

    name: str
    url: str
    agent: str = ""
    states: tuple[RequestState, ...] = ()
    named: bool = False
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NewSigning:
    """`overlap_s`: for how many seconds the old secret signs as well."""

    secret: str = field(default="", repr=False)
    overlap_s: float = 86400.0


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """`secret` is shown this once."""

    webhook: WebhookView
    secret: str


@dataclass(frozen=True, slots=True)
class Retried:
    """Ids of deliveries; [] for all that were given up."""

    ids: tuple[str, ...] = ()


@router.post("", status_code=201, summary="Register one; its signing secret is shown this once")
@returns(MadeWebhook, takes=NewWebhook)
async def add(request: Request, control: Ask, caller: Caller) -> Response:
    wish = await read_body(request, NewWebhook)
    made, secret = await control.add_webhook(
        caller, wish.name, wish.url, agent=wish.agent, states=wish.states, named=wish.named, secret=wish.secret
    )
    return answer(MadeWebhook(made, secret), 201)


@router.get("", summary="All of the namespace, without their secrets")
@returns(list[WebhookView])
async def webhooks(control: Ask, caller: Caller) -> Response:
    return answer(await control.webhooks(caller))


@router.get("/{name}", summary="One of them")
@returns(WebhookView)
async def webhook(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.webhook(caller, name))


@router.delete("/{name}", summary="Remove it, with what was not delivered yet; already gone is no error")
@returns(Removed)
async def remove(name: str, control: Ask, caller: Caller) -> Response:
    return answer(Removed(await control.remove_webhook(caller, name)))


@router.post("/{name}/rotate", summary="A new signing secret, shown this once; the old one signs along for a while")
@returns(MadeWebhook, takes=NewSigning)
async def rotate(name: str, request: Request, control: Ask, caller: Caller) -> Response:
    wish = await read_body(request, NewSigning)
    made, secret = await control.rotate_webhook(caller, name, secret=wish.secret, overlap_s=wish.overlap_s)
    return answer(MadeWebhook(made, secret))


@router.post("/{name}/test", summary="Send it a message of type webhook.test now, and say what came of it")
@returns(dict[str, Any])
async def test(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.test_webhook(caller, name))


@router.get("/{name}/deliveries", summary="What it was told, and what it is to be told; newest first")
@returns(list[dict[str, Any]])
async def deliveries(
    name: str,
    control: Ask,
    caller: Caller,
    standing: Annotated[str, Query(max_length=20, description="waiting, delivered or dead")] = "",
    after: Annotated[int, Query(ge=0, le=2**62, description="continue after this `seq`")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    found = await control.webhook_deliveries(caller, name, standing=standing, after=after, limit=limit)
    return answer(found)


@router.post("/{name}/retry", summary="Send again what was given up; one that answered 410 goes on")
@returns(dict[str, int], takes=Retried)
async def retry(name: str, request: Request, control: Ask, caller: Caller) -> Response:
    wish = await read_body(request, Retried)
    return answer({"again": await control.retry_webhook(caller, name, wish.ids)})
