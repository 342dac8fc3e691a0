# SPDX-License-Identifier: Apache-2.0
"""Metrics by the management API, for Prometheus with a token."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from door_rig import Doors, opened_doors
from homeport.model.token import Role


@pytest.fixture(scope="module")
def doors(tmp_path_factory) -> Iterator[Doors]:
    with opened_doors(tmp_path_factory.mktemp("doors")) as opened:
        yield opened


def scrape(doors: Doors, token: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(doors.url.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", "/v1/metrics", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ADMIN])
def test_who_may_see_the_server_may_scrape_it(doors: Doors, role: Role) -> None:
    status, kind, text = scrape(doors, doors.token(role))
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert "# TYPE homeport_gateway_info gauge" in text


def test_others_may_not(doors: Doors) -> None:
    assert scrape(doors, doors.token(Role.AGENT))[0] == 403
    assert scrape(doors, "hp_wrong")[0] == 401
