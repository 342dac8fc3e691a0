# SPDX-License-Identifier: Apache-2.0
"""The server itself."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from homeport.api.bodies import Health, Version, answer
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.app.control import Readiness

router = APIRouter(tags=["server"])


@router.get("/health", summary="The server answers (no token needed)")
@returns(Health)
async def health() -> Response:
    return answer(Health())


@router.get("/ready", summary="Whether it decides, or waits as a standby: 503 then (no token needed)")
@returns(Readiness)
async def ready(request: Request) -> Response:
    found: Readiness = request.app.state.readiness()
    return answer(found, 200 if found.ready else 503)


@router.get("/version", summary="Which version answers (no token needed)")
@returns(Version)
async def version(request: Request) -> Response:
    return answer(Version(request.app.state.version))


@router.get("/status", summary="Processes, listening addresses, confinement, counts")
@returns(dict[str, Any])
async def status(control: Ask, caller: Caller) -> Response:
    return answer(await control.status(caller))


@router.get("/metrics", summary="What the gateway counts of this namespace's agents, in the Prometheus text format")
@returns(str)
async def metrics(control: Ask, caller: Caller) -> Response:
    return Response(await control.metrics(caller), media_type="text/plain; version=0.0.4")
