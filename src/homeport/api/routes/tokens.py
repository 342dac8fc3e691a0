# SPDX-License-Identifier: Apache-2.0
"""Tokens: made, listed, revoked. Their hashes stay in the server."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from homeport.api.bodies import CreatedToken, NewToken, answer, read_body
from homeport.api.callers import Ask, Caller
from homeport.api.describe import returns
from homeport.model.token import Token

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.post("", status_code=201, summary="Make a token; its text is shown this once")
@returns(CreatedToken, takes=NewToken)
async def create(request: Request, control: Ask, caller: Caller) -> Response:
    wish = await read_body(request, NewToken)
    token, text = await control.create_token(
        caller, role=wish.role, label=wish.label, agents=wish.agents, ttl_s=wish.ttl_s
    )
    return answer(CreatedToken(_shown(token), text), 201)


@router.get("", summary="All tokens of the namespace")
@returns(list[Token])
async def tokens(control: Ask, caller: Caller) -> Response:
    return answer([_shown(token) for token in await control.tokens(caller)])


@router.delete("/{id}", summary="Revoke one; idempotent")
@returns(Token)
async def revoke(id: str, control: Ask, caller: Caller) -> Response:
    return answer(_shown(await control.revoke_token(caller, id)))


def _shown(token: Token) -> Token:
    return replace(token, sha256="")
