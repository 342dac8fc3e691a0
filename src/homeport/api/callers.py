# SPDX-License-Identifier: Apache-2.0
"""Who calls: the owner of the Unix socket, or the bearer of a token."""

from __future__ import annotations

import os
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from homeport.api.errors import Unauthenticated
from homeport.app.control import Actor, Control
from homeport.errors import Denied
from homeport.model.names import DEFAULT_NAMESPACE, check_name
from homeport.model.token import Role

LOCAL = "homeport.local"
NAMESPACE_HEADER = "X-Homeport-Namespace"


def local_door(app: ASGIApp) -> ASGIApp:
    """The same app for the Unix socket (0600): whoever reaches it is this user, with the role admin.

    Only the ASGI scope carries the mark, so nothing that a client sends can set it.
    """

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, LOCAL: True}, receive, send)

    return marked


async def control_of(request: Request) -> Control:
    """A coroutine, because anything else is called in a thread, for each request."""
    return cast(Control, request.app.state.control)


async def caller_of(request: Request) -> Actor:
    """Raises `Unauthenticated`, or `Denied` where a token is used outside its namespace."""
    wanted = request.headers.get(NAMESPACE_HEADER, "")
    if request.scope.get(LOCAL) is True:
        namespace = check_name(wanted, "namespace") if wanted else DEFAULT_NAMESPACE
        return Actor(f"local:{os.geteuid()}", namespace, Role.ADMIN)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(
            "this needs a token",
            operation="authenticate",
            hint="send `Authorization: Bearer hp_…`; `homeport token create` on the server's machine makes one",
        )
    try:
        actor = await (await control_of(request)).authenticate(token)
    except Denied as error:
        raise Unauthenticated(error.message, operation="authenticate", hint=error.hint) from None
    if wanted and wanted != actor.namespace:
        raise Denied(
            "the token belongs to another namespace",
            operation="authenticate",
            subject=wanted,
            hint=f"leave {NAMESPACE_HEADER} out, or use a token of that namespace",
        )
    return actor


Caller = Annotated[Actor, Depends(caller_of)]
Ask = Annotated[Control, Depends(control_of)]
