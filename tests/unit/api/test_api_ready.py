# SPDX-License-Identifier: Apache-2.0
"""Readiness is for load balancers: no token, 200 or 503; what is away says when to come back."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from door_rig import Doors, opened_doors
from homeport.errors import Unavailable


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    with opened_doors(tmp_path_factory.mktemp("home")) as doors:
        yield doors


def get(doors: Doors, path: str, token: str = "") -> tuple[int, Any, Any]:
    request = urllib.request.Request(doors.url + path, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def test_a_server_whose_database_nobody_shares_is_ready(doors: Doors) -> None:
    status, body, _ = get(doors, "/v1/ready")
    assert (status, body["ready"], body["role"]) == (200, True, "alone")


def test_what_is_away_says_when_to_come_back_and_other_errors_do_not(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = doors.token()

    async def away(actor: object) -> None:
        raise Unavailable("away")

    assert get(doors, "/v1/agents/none", token)[2]["Retry-After"] is None
    monkeypatch.setattr(doors.control, "agents", away)
    status, _, headers = get(doors, "/v1/agents", token)
    assert status == 503 and int(headers["Retry-After"]) > 0
