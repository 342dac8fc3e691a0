# SPDX-License-Identifier: Apache-2.0
"""Who did what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from homeport.api.bodies import Verified, answer
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.interfaces.audit import AuditEntry

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("", summary="Entries in order")
@returns(list[AuditEntry])
async def entries(
    control: Ask,
    caller: Caller,
    after: Annotated[int, Query(ge=0, description="a sequence number")] = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> Response:
    return answer(await control.audit(caller, after=after, limit=limit))


@router.get("/verify", summary="Check the chain of hashes")
@returns(Verified)
async def verify(control: Ask, caller: Caller) -> Response:
    return answer(Verified(await control.audit_verify(caller)))
