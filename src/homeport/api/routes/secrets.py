# SPDX-License-Identifier: Apache-2.0
"""Secrets go in and never come out: names only."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from homeport.api.bodies import Removed, SecretValue, answer, read_body
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns

router = APIRouter(prefix="/secrets", tags=["secrets"])


@router.get("", summary="Names, sorted")
@returns(list[str])
async def names(control: Ask, caller: Caller) -> Response:
    return answer(await control.secret_names(caller))


@router.put("/{name}", summary="Create or replace")
@returns(dict[str, str], takes=SecretValue)
async def put(name: str, request: Request, control: Ask, caller: Caller) -> Response:
    await control.put_secret(caller, name, (await read_body(request, SecretValue)).value)
    return answer({"name": name})


@router.delete("/{name}", summary="Remove; already gone is no error")
@returns(Removed)
async def delete(name: str, control: Ask, caller: Caller) -> Response:
    return answer(Removed(await control.delete_secret(caller, name)))
