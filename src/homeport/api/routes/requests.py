# SPDX-License-Identifier: Apache-2.0
"""Requests on the data plane, as the journal has them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from homeport.api.bodies import answer
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns

router = APIRouter(prefix="/requests", tags=["requests"])


@router.get("", summary="Newest first")
@returns(list[dict[str, Any]])
async def requests(
    control: Ask,
    caller: Caller,
    agent: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[str, Query(max_length=20, description="pending, in_flight, completed, failed or dead")] = "",
    after: Annotated[str, Query(max_length=100, description="continue after this id")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    return answer(await control.requests(caller, agent=agent, state=state, after=after, limit=limit))


@router.get("/{id}", summary="One request with headers (credentials redacted) and bodies up to 64 KiB")
@returns(dict[str, Any])
async def request(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.request(caller, id))


@router.post("/{id}/replay", status_code=202, summary="Send it again")
@returns(dict[str, Any])
async def replay(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.replay(caller, id), 202)
