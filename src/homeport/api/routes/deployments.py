# SPDX-License-Identifier: Apache-2.0
"""Plans made real."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from homeport.api.bodies import Deploy, answer, read_body
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.model.deployment import Deployment

router = APIRouter(prefix="/deployments", tags=["deployments"])


@router.post("", status_code=202, summary="Start (or find) the durable flow that makes a plan real")
@returns(Deployment, takes=Deploy)
async def deploy(request: Request, control: Ask, caller: Caller) -> Response:
    wish = await read_body(request, Deploy)
    begun = await control.deploy(caller, wish.plan, replace=wish.replace, env=wish.env, secrets=wish.secrets)
    return answer(begun, 202)


@router.get("/{id}", summary="How far it is")
@returns(Deployment)
async def show(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.deployment(caller, id))


@router.post("/{id}/cancel", summary="Stop it before its next step, and undo what was done")
@returns(Deployment)
async def cancel(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.cancel_deployment(caller, id))
