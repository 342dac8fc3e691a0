# SPDX-License-Identifier: Apache-2.0
"""What happened, and what happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.api.streams import stream
from homeport.model.event import Event

router = APIRouter(prefix="/events", tags=["events"])


@router.get("", summary="Events, oldest first: NDJSON, or SSE if accepted; Last-Event-ID resumes")
@returns(Event, stream=True)
async def events(
    request: Request,
    control: Ask,
    caller: Caller,
    after: Annotated[str, Query(max_length=100, description="the id of the last event seen")] = "",
    follow: bool = False,
    subject: Annotated[str, Query(max_length=200, description="an agent, deployment or request")] = "",
    limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
    last_event_id: Annotated[str, Header(max_length=100)] = "",
) -> Response:
    found = control.events(caller, after=after or last_event_id, follow=follow, subject=subject, limit=limit)
    return await stream(request, found, follow=follow, name=lambda event: (event.id, event.type))
