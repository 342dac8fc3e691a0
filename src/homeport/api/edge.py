# SPDX-License-Identifier: Apache-2.0
"""Around every request: an id, safe headers, and a last answer when something of ours breaks."""

from __future__ import annotations

import re
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from homeport.api.errors import error_response
from homeport.errors import HomeportError

log = structlog.get_logger(__name__)

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class Edge:
    """ASGI middleware. Echoes a usable `X-Request-ID`, else mints one; the log line of a failure carries it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("X-Request-ID", "")
        request_id = given if _USABLE_ID.fullmatch(given) else uuid4().hex
        started = False

        async def send_marked(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except Exception:
            log.exception("api.failed", request_id=request_id, method=scope["method"], path=scope["path"][:200])
            if started:  # too late for a status: the cut connection is what the client sees
                raise
            failure = HomeportError(
                "internal error",
                operation="api",
                subject=request_id,
                hint="the server's log has the cause under that id",
            )
            await error_response(failure)(scope, receive, send_marked)
