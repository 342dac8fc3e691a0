# SPDX-License-Identifier: Apache-2.0
"""Agents, their life, and what they print."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from homeport.api.bodies import Removed, answer
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.api.streams import stream
from homeport.model.agent import Agent
from homeport.model.instance import LogLine

router = APIRouter(prefix="/agents", tags=["agents"])


@router.get("", summary="All agents of the namespace")
@returns(list[Agent])
async def agents(control: Ask, caller: Caller) -> Response:
    return answer(await control.agents(caller))


@router.get("/{name}", summary="One agent")
@returns(Agent)
async def agent(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.agent(caller, name))


@router.delete("/{name}", summary="Stop it, then remove record, folders and logs")
@returns(Removed)
async def remove(name: str, control: Ask, caller: Caller, keep_data: bool = False) -> Response:
    await control.remove(caller, name, keep_data=keep_data)
    return answer(Removed())


@router.post("/{name}/start", summary="Want it running")
@returns(Agent)
async def start(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.start(caller, name))


@router.post("/{name}/stop", summary="Want it stopped; answers when its instance is gone")
@returns(Agent)
async def stop(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.stop(caller, name))


@router.post("/{name}/restart", summary="Stop it, then start it")
@returns(Agent)
async def restart(name: str, control: Ask, caller: Caller) -> Response:
    return answer(await control.restart(caller, name))


@router.get("/{name}/logs", summary="What it printed, oldest first: NDJSON, or SSE if accepted")
@returns(LogLine, stream=True)
async def logs(
    name: str,
    request: Request,
    control: Ask,
    caller: Caller,
    tail: Annotated[int, Query(ge=0, le=1_000_000, description="the last so many lines; 0: all kept")] = 0,
    since_us: Annotated[int, Query(ge=0, description="microseconds since the epoch")] = 0,
    follow: bool = False,
) -> Response:
    lines = control.logs(caller, name, tail=tail, since_us=since_us, follow=follow)
    return await stream(request, lines, follow=follow, name=lambda line: ("", "log"))
