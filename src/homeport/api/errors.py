# SPDX-License-Identifier: Apache-2.0
"""Errors as HTTP: one envelope, a status by class, nothing of our insides."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from homeport.errors import (
    Conflict,
    Denied,
    HomeportError,
    NoCapacity,
    NotFound,
    StalePlan,
    Unavailable,
    Unhealthy,
    UsageError,
)
from homeport.model.codec import to_json

_STATUS: tuple[tuple[type[HomeportError], int], ...] = (
    (NotFound, 404),
    (UsageError, 400),
    (Denied, 403),
    (Conflict, 409),
    (StalePlan, 412),
    (Unavailable, 503),
    (NoCapacity, 507),
    (Unhealthy, 502),
)
"""The first class that fits; a subclass comes before its parent."""

RETRY_AFTER_S = "2"
"""Where something is away, it is usually back, or replaced, within seconds."""


class Unauthenticated(Denied):
    """No token, or none that is known: 401 instead of 403. Clients see it as `Denied`."""

    @property
    def type(self) -> str:
        return Denied.__name__


class TooLarge(UsageError):
    """A body over the cap: 413 instead of 400. Clients see it as `UsageError`."""

    @property
    def type(self) -> str:
        return UsageError.__name__


def status_of(error: HomeportError) -> int:
    """The HTTP status for an error; 500 for what no caller can act on."""
    if isinstance(error, Unauthenticated):
        return 401
    if isinstance(error, TooLarge):
        return 413
    return next((status for cls, status in _STATUS if isinstance(error, cls)), 500)


def error_body(error: HomeportError) -> bytes:
    return to_json({"error": error.to_dict()})


def error_response(error: HomeportError, *, status: int | None = None) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="homeport"'} if isinstance(error, Unauthenticated) else {}
    if isinstance(error, Unavailable):
        headers = {"Retry-After": RETRY_AFTER_S}
    return Response(error_body(error), status or status_of(error), headers=headers, media_type="application/json")


async def on_homeport_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HomeportError)
    return error_response(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods, in our envelope."""
    assert isinstance(error, HTTPException)
    cls = NotFound if error.status_code == 404 else UsageError
    said = cls(
        f"{request.method} {request.url.path[:200]}: {str(error.detail).lower()}",
        operation="route",
        hint="GET /v1/openapi.json lists every path",
    )
    response = error_response(said, status=error.status_code)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def on_invalid_parameter(_: Request, error: Exception) -> Response:
    """A query or path parameter of the wrong type or range; the first one is named."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first.get("loc", ()))
    return error_response(UsageError(f"{where}: {first.get('msg', 'not valid')}", operation="parse", subject=where))
