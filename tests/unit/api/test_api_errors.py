# SPDX-License-Identifier: Apache-2.0
"""Every error keeps its class, its words and its status on the way from the control plane to a caller."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from door_rig import Doors, opened_doors
from homeport import errors
from homeport.client import Client

STATUS = {
    "HomeportError": 500,
    "UsageError": 400,
    "NotFound": 404,
    "InvalidSource": 400,
    "NoStartCommand": 400,
    "Denied": 403,
    "NoCapacity": 507,
    "StorageFull": 507,
    "Unreadable": 500,
    "Unhealthy": 502,
    "Conflict": 409,
    "Unavailable": 503,
    "StalePlan": 412,
    "Interrupted": 500,
}


def tree(cls: type[errors.HomeportError]) -> list[type[errors.HomeportError]]:
    return [
        cls,
        *(found for child in cls.__subclasses__() if child.__module__ == errors.__name__ for found in tree(child)),
    ]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with opened_doors(tmp_path_factory.mktemp("home")) as doors:
        yield doors


def ask(
    doors: Doors, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection(doors.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        raw = response.read()
        kind = response.headers["Content-Type"]
        return response.status, dict(response.headers), json.loads(raw) if kind == "application/json" else raw.decode()
    finally:
        connection.close()


def test_the_table_of_statuses_has_every_class_of_the_error_tree() -> None:
    assert {cls.__name__ for cls in tree(errors.HomeportError)} == set(STATUS)


@pytest.mark.parametrize("cls", tree(errors.HomeportError))
def test_an_error_arrives_as_the_class_it_was_raised_as(
    doors: Doors, cls: type[errors.HomeportError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(actor: object) -> None:
        raise cls("the cause “quoted”", operation="list", subject="notes\x1b[31m", hint="do this")

    monkeypatch.setattr(doors.control, "agents", failing)
    with pytest.raises(errors.HomeportError) as caught:
        Client(doors.settings).agents()
    assert type(caught.value) is cls
    assert (
        caught.value.to_dict()
        == cls("the cause “quoted”", operation="list", subject="notes\x1b[31m", hint="do this").to_dict()
    )
    status, _, body = ask(doors, "GET", "/v1/agents", Authorization=f"Bearer {doors.token()}")
    assert status == STATUS[cls.__name__]
    assert body["error"]["type"] == cls.__name__


def test_a_fault_of_ours_answers_500_with_an_id_and_nothing_of_our_insides(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(actor: object) -> None:
        raise ZeroDivisionError("secret insides")

    monkeypatch.setattr(doors.control, "agents", broken)
    status, headers, body = ask(
        doors, "GET", "/v1/agents", Authorization=f"Bearer {doors.token()}", X_Request_ID="my-request.1"
    )
    assert status == 500
    assert headers["x-request-id"] == "my-request.1"
    assert body["error"]["message"] == "internal error"
    assert body["error"]["subject"] == "my-request.1"
    assert "insides" not in json.dumps(body) and "Zero" not in json.dumps(body)


@pytest.mark.parametrize("credentials", ["", "Bearer", "Bearer hp_wrong", "Basic aGk6aGk=", "Bearer \xff"])
def test_without_a_known_token_the_answer_is_401_and_says_how_to_get_one(doors: Doors, credentials: str) -> None:
    status, headers, body = ask(doors, "GET", "/v1/agents", Authorization=credentials)
    assert status == 401
    assert headers["www-authenticate"].startswith("Bearer")
    assert body["error"]["type"] == "Denied"


def test_no_header_makes_a_caller_on_tcp_local(doors: Doors) -> None:
    status, _, _ = ask(doors, "GET", "/v1/agents", **{"homeport.local": "true", "X_Homeport_Namespace": "default"})
    assert status == 401


def test_a_token_works_in_its_own_namespace_only(doors: Doors) -> None:
    token = doors.token(namespace="blue")
    assert ask(doors, "GET", "/v1/agents", Authorization=f"Bearer {token}")[0] == 200
    assert ask(doors, "GET", "/v1/agents", Authorization=f"Bearer {token}", X_Homeport_Namespace="blue")[0] == 200
    assert ask(doors, "GET", "/v1/agents", Authorization=f"Bearer {token}", X_Homeport_Namespace="default")[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nowhere", 404),
        ("GET", "/", 404),
        ("PATCH", "/v1/agents", 405),
        ("GET", "/v1/requests?limit=0", 400),
        ("GET", "/v1/requests?limit=lots", 400),
        ("GET", "/v1/agents/x/logs?tail=-1", 400),
        ("GET", "/v1/agents/%00%1b", 404),
        ("POST", "/v1/tokens", 400),
        ("POST", "/v1/deployments", 400),
    ],
)
def test_nonsense_is_refused_in_the_one_envelope(doors: Doors, method: str, path: str, status: int) -> None:
    got, _, body = ask(doors, method, path, Authorization=f"Bearer {doors.token()}")
    assert got == status
    assert set(body["error"]) == {"type", "message", "operation", "subject", "hint", "retry"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"role":"king"}', b'{"role":"admin","ttl_s":"x"}', b"[" * 100_000, b"\xff\xfe", b"null"],
)
def test_a_body_that_is_not_the_record_is_refused_and_changes_nothing(doors: Doors, body: bytes) -> None:
    token = doors.token()
    before = Client(doors.settings).tokens()
    status, _, answer = ask(doors, "POST", "/v1/tokens", body, Authorization=f"Bearer {token}")
    assert (status, answer["error"]["type"]) == (400, "UsageError")
    assert Client(doors.settings).tokens() == before


def test_a_body_that_is_not_json_by_its_own_word_is_refused(doors: Doors) -> None:
    status, _, _ = ask(
        doors, "POST", "/v1/tokens", b'{"role":"admin"}',
        Authorization=f"Bearer {doors.token()}", Content_Type="text/plain",
    )  # fmt: skip
    assert status == 400


def test_a_body_over_the_cap_is_refused_before_it_is_read(doors: Doors) -> None:
    connection = http.client.HTTPConnection(doors.url.removeprefix("http://"), timeout=30)
    connection.putrequest("POST", "/v1/tokens")
    connection.putheader("Authorization", f"Bearer {doors.token()}")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["error"]["type"] == "UsageError"
    connection.close()


def test_health_version_and_description_need_no_token_and_nothing_else_is_open(doors: Doors) -> None:
    assert ask(doors, "GET", "/v1/health")[2] == {"status": "ok"}
    assert ask(doors, "GET", "/v1/version")[2] == {"version": "9.9", "api": "v1"}
    status, _, document = ask(doors, "GET", "/v1/openapi.json")
    assert status == 200
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            concrete = path.replace("{name}", "x").replace("{id}", "x")
            status, _, _ = ask(doors, method.upper(), concrete, b"{}" if "requestBody" in operation else None)
            assert status == (200 if operation["security"] == [] else 401), (method, path)


def test_the_page_for_people_loads_nothing_from_elsewhere(doors: Doors) -> None:
    status, headers, html = ask(doors, "GET", "/docs")
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "<script" not in html and "http:" not in html and "https:" not in html
    assert "/v1/agents/{name}/logs" in html
