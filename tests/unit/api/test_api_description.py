# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document is made from the records, so that what it says is what is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from homeport.api import create_app
from homeport.testing.control import MemoryControl


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(MemoryControl(), version="1.2.3").openapi()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
    assert json.dumps(document)


def test_every_path_says_what_it_answers_and_how_it_fails(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            codes = operation["responses"]
            assert set(codes) - {"default"} <= {"200", "201", "202"}, (method, path)
            assert codes["default"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
            assert operation["summary"], (method, path)


def test_an_agent_is_described_with_its_own_fields(document: dict[str, Any]) -> None:
    agent = document["components"]["schemas"]["Agent"]
    assert {"name", "state", "workload", "source", "last_exit"} <= set(agent["properties"])
    body = document["paths"]["/v1/deployments"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Deploy"}


def test_every_verb_of_the_control_plane_has_a_path(document: dict[str, Any]) -> None:
    assert {f"{m.upper()} {p}" for p, ops in document["paths"].items() for m in ops} == {
        f"{method} /v1{path}"
        for method, path in (
            line.split()
            for line in """
            GET /health
            GET /ready
            GET /version
            GET /status
            GET /metrics
            POST /deployments
            GET /deployments/{id}
            POST /deployments/{id}/cancel
            GET /agents
            GET /agents/{name}
            DELETE /agents/{name}
            POST /agents/{name}/start
            POST /agents/{name}/stop
            POST /agents/{name}/restart
            GET /agents/{name}/logs
            GET /events
            POST /webhooks
            GET /webhooks
            GET /webhooks/{name}
            DELETE /webhooks/{name}
            POST /webhooks/{name}/rotate
            POST /webhooks/{name}/test
            GET /webhooks/{name}/deliveries
            POST /webhooks/{name}/retry
            GET /requests
            GET /requests/export
            GET /requests/tail
            POST /requests/clear
            GET /requests/{id}
            DELETE /requests/{id}
            POST /requests/{id}/replay
            GET /tokens
            POST /tokens
            DELETE /tokens/{id}
            GET /secrets
            PUT /secrets/{name}
            DELETE /secrets/{name}
            GET /audit
            GET /audit/verify
            POST /backup
            """.strip().splitlines()
        )
    }
