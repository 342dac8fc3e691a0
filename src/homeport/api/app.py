# SPDX-License-Identifier: Apache-2.0
"""The app: paths, error answers, its description."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from homeport.api.bodies import answer
from homeport.api.describe import describe, page
from homeport.api.edge import Edge
from homeport.api.errors import on_homeport_error, on_http_error, on_invalid_parameter
from homeport.api.routes import ROUTERS
from homeport.app.control import Control, Readiness
from homeport.errors import HomeportError

PREFIX = "/v1"

DESCRIPTION = (
    "Send `Authorization: Bearer hp_…`, except on the server's Unix socket, whose owner is admin (there "
    "`X-Homeport-Namespace` chooses the namespace). Times are microseconds since the epoch, sizes bytes."
)


def create_app(control: Control, *, version: str, readiness: Callable[[], Readiness] = Readiness) -> FastAPI:
    """The management API over `control`. Give it to uvicorn as it is for TCP, and in `local_door` for the socket."""
    app = FastAPI(
        title="Homeport", version=version, description=DESCRIPTION, openapi_url=None, docs_url=None, redoc_url=None
    )
    give_control(app, control, readiness)
    app.state.version = version
    app.state.stopping = asyncio.Event()
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.add_middleware(Edge)
    app.add_exception_handler(HomeportError, on_homeport_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameter)
    _describe_itself(app)
    return app


def give_control(app: FastAPI, control: Control, readiness: Callable[[], Readiness]) -> None:
    """From now on `control` answers: a standby's, then the real one."""
    app.state.control, app.state.readiness = control, readiness


def _describe_itself(app: FastAPI) -> None:
    """`/v1/openapi.json` and `/docs`, made when first asked for: most servers are never asked."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, ROUTERS, PREFIX)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]

    async def openapi() -> Response:
        return answer(document())

    async def docs() -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(page(document()), headers={"Content-Security-Policy": policy})

    app.add_api_route(f"{PREFIX}/openapi.json", openapi, include_in_schema=False)
    app.add_api_route("/docs", docs, include_in_schema=False)
