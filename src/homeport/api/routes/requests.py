# SPDX-License-Identifier: Apache-2.0
"""Requests on the data plane, as the journal has them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from homeport.api.bodies import answer
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.api.streams import stream
from homeport.model.kept import Wanted

router = APIRouter(prefix="/requests", tags=["requests"])


def _wanted(
    agent: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[str, Query(max_length=20, description="pending, in_flight, completed, failed or dead")] = "",
    method: Annotated[str, Query(max_length=40)] = "",
    key: Annotated[str, Query(max_length=255, description="the Idempotency-Key")] = "",
    status: Annotated[int, Query(ge=0, le=599, description="of the answer; 5 for all from 500 to 599")] = 0,
    since_us: Annotated[int, Query(ge=0, description="accepted from this time on, in µs since 1970")] = 0,
    until_us: Annotated[int, Query(ge=0, description="accepted before this time")] = 0,
) -> Wanted:
    return Wanted(agent, state, method, key, status, min(since_us, 2**62), min(until_us, 2**62))


Narrowed = Annotated[Wanted, Depends(_wanted)]


@router.get("", summary="Newest first")
@returns(list[dict[str, Any]])
async def requests(
    control: Ask,
    caller: Caller,
    wanted: Narrowed,
    after: Annotated[str, Query(max_length=100, description="continue after this id")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    return answer(await control.requests(caller, wanted=wanted, after=after, limit=limit))


@router.get("/export", summary="A page of them, oldest first, with bodies up to 1 MiB if wanted. Audited")
@returns(list[dict[str, Any]])
async def export(
    control: Ask,
    caller: Caller,
    wanted: Narrowed,
    newer: Annotated[str, Query(max_length=100, description="after this id; an empty page is the end")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    bodies: bool = False,
) -> Response:
    found = control.export_requests(caller, wanted, newer=newer, limit=limit, bodies=bodies)
    return answer([one async for one in found])


@router.get("/tail", summary="From now on, and at each change of state: NDJSON, or SSE if accepted")
@returns(dict[str, Any], stream=True)
async def tail(request: Request, control: Ask, caller: Caller, wanted: Narrowed) -> Response:
    found = control.tail_requests(caller, wanted)
    return await stream(request, found, follow=True, name=lambda one: (str(one["id"]), str(one["state"])))


@router.post("/clear", summary="Remove up to a thousand that are over, of one state; `more` says whether to go on")
@returns(dict[str, Any])
async def clear(control: Ask, caller: Caller, wanted: Narrowed) -> Response:
    return answer(await control.clear_requests(caller, wanted))


@router.get("/{id}", summary="One request with headers (credentials redacted) and bodies up to 64 KiB")
@returns(dict[str, Any])
async def request(id: str, control: Ask, caller: Caller, bodies: bool = True) -> Response:
    return answer(await control.request(caller, id, bodies=bodies))


@router.delete("/{id}", summary="Remove one that is over")
@returns(dict[str, Any])
async def drop(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.drop(caller, id))


@router.post("/{id}/replay", status_code=202, summary="Send it again")
@returns(dict[str, Any])
async def replay(id: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.replay(caller, id), 202)
