# SPDX-License-Identifier: Apache-2.0
"""The API's own description: OpenAPI from the records that are really sent, and a plain page made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, APIRouter

F = TypeVar("F", bound=Callable[..., Any])

OPEN = ("/v1/health", "/v1/ready", "/v1/version")
"""Paths that need no token."""

_ERROR = {
    "type": "object",
    "description": "The one envelope of every error.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["type", "message", "operation", "subject", "hint", "retry"],
            "properties": {
                **{key: {"type": "string"} for key in ("type", "message", "operation", "subject", "hint")},
                "retry": {"type": "boolean", "description": "the same call may work later"},
            },
        }
    },
}


@dataclass(frozen=True, slots=True)
class _Described:
    result: Any
    takes: Any
    stream: bool


def returns(result: Any, *, takes: Any = None, stream: bool = False) -> Callable[[F], F]:
    """Decorator: the record a path answers with and the one it takes.

    For a stream it is each line; bytes are a file, str is plain text.
    """

    def mark(endpoint: F) -> F:
        endpoint.described = _Described(result, takes, stream)  # type: ignore[attr-defined]
        return endpoint

    return mark


def describe(app: FastAPI, routers: Sequence[APIRouter], prefix: str) -> dict[str, Any]:
    """The OpenAPI document; the schemas are those of the codec that encodes and decodes the records."""
    document: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    described = list(_described(routers, prefix))
    types = [t for _, _, d in described for t in (d.result, d.takes) if t is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    remaining = iter(schemas)
    for path, method, d in described:
        operation = document["paths"][path][method]
        result = next(remaining)
        success = next(code for code in operation["responses"] if code.startswith("2"))
        operation["responses"] = {
            success: {"description": "Done", "content": _content(result, d)},
            "default": {
                "description": "An error; its `type` decides the status",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        }
        if d.takes is not None:
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": next(remaining)}}}
        operation["security"] = [] if path in OPEN else [{"token": []}]
    document["components"] = {
        "schemas": {**components, "Error": _ERROR},
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "`hp_…`; not needed on the Unix socket"}
        },
    }
    return document


def _described(routers: Sequence[APIRouter], prefix: str) -> Iterator[tuple[str, str, _Described]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                for method in sorted(route.methods or ()):
                    yield prefix + route.path, method.lower(), route.endpoint.described  # type: ignore[attr-defined]


def _content(schema: dict[str, Any], d: _Described) -> dict[str, Any]:
    if d.result is bytes:
        return {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}
    if d.result is str:
        return {"text/plain": {"schema": {"type": "string"}}}
    kinds = ("application/x-ndjson", "text/event-stream") if d.stream else ("application/json",)
    return {kind: {"schema": schema} for kind in kinds}


def page(document: dict[str, Any]) -> str:
    """The document for people: one HTML file, no script, nothing from elsewhere."""
    rows = "".join(
        f"<tr><td>{escape(method.upper())}</td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(operation.get('summary', ''))}</td>"
        f"<td>{escape(', '.join(p['name'] for p in operation.get('parameters', ())))}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    )
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
        "table{border-collapse:collapse}td,th{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top;"
        "border-bottom:1px solid #ccc}</style>"
        f"<h1>{title}</h1><p>{escape(document['info'].get('description', ''))}</p>"
        "<p>Machines read <a href=/v1/openapi.json>/v1/openapi.json</a>.</p>"
        f"<table><tr><th>Method<th>Path<th>What it does<th>Parameters</tr>{rows}</table></html>"
    )
