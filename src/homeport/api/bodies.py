# SPDX-License-Identifier: Apache-2.0
"""What comes in and what goes out: bounded, and through the one codec of all records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response

from homeport.api.errors import TooLarge
from homeport.errors import HomeportError, UsageError
from homeport.model.codec import from_json, to_json
from homeport.model.plan import Plan
from homeport.model.token import Role, Token

T = TypeVar("T")

LARGEST = 16 * 1024 * 1024
"""Bytes of one request body."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """`env` is added to the agent's environment, `secrets` (names of sealed ones) as well, when it starts."""

    plan: Plan
    replace: bool = False
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewToken:
    """`agents` are names; `ttl_s` seconds, 0 for ever."""

    role: Role
    label: str = ""
    agents: tuple[str, ...] = ()
    ttl_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """`text` is shown this once."""

    token: Token
    text: str


@dataclass(frozen=True, slots=True)
class SecretValue:
    value: str


@dataclass(frozen=True, slots=True)
class Removed:
    """`removed` is false where there was nothing to remove."""

    removed: bool = True


@dataclass(frozen=True, slots=True)
class Verified:
    """How many audit entries were checked and fit."""

    entries: int


@dataclass(frozen=True, slots=True)
class Health:
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class Version:
    version: str
    api: str = "v1"


async def read_body(request: Request, cls: type[T]) -> T:
    """The JSON body as `cls`, strictly. Raises `UsageError` naming the first wrong value, `TooLarge` over the cap."""
    kind = request.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UsageError("the body must be JSON", operation="parse", hint="send Content-Type: application/json")
    declared = request.headers.get("Content-Length", "0")
    if declared.isdecimal() and int(declared) > LARGEST:
        raise TooLarge(f"the body is over {LARGEST} bytes", operation="parse")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise TooLarge(f"the body is over {LARGEST} bytes", operation="parse")
    try:
        return from_json(bytes(body), cls)
    except HomeportError as error:
        raise UsageError(error.message, operation="parse", subject=cls.__name__) from None
    except RecursionError:
        raise UsageError("the body is nested too deeply", operation="parse", subject=cls.__name__) from None


def answer(value: Any, status: int = 200) -> Response:
    return Response(to_json(value), status, media_type="application/json")
