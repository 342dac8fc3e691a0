# SPDX-License-Identifier: Apache-2.0
"""Streams: NDJSON and server-sent events, resumed, kept alive, and ended by the server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from door_rig import Doors, a_plan, opened_doors
from homeport.api import streams


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with opened_doors(tmp_path / "home") as doors:
        yield doors


def begin(doors: Doors, path: str, **headers: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(doors.url.removeprefix("http://"), timeout=30)
    sent = {"Authorization": f"Bearer {doors.token()}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    connection.request("GET", path, headers=sent)
    return connection, connection.getresponse()


def test_events_come_as_lines_and_a_finished_stream_ends(doors: Doors) -> None:
    for number in range(3):
        doors.do(doors.control.happen("default", "agent.started", f"a{number}"))
    connection, response = begin(doors, "/v1/events")
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["subject"] for line in response.read().splitlines()] == ["a0", "a1", "a2"]
    connection.close()


def test_server_sent_events_resume_after_the_last_one_seen(doors: Doors) -> None:
    first = doors.do(doors.control.happen("default", "agent.started", "a0"))
    connection, response = begin(doors, "/v1/events?follow=true", Accept="text/event-stream", Last_Event_ID=first.id)
    second = doors.do(doors.control.happen("default", "agent.ready", "a0", "line one\nevent: forged"))
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.readline() == f"id: {second.id}\n".encode()
    assert response.readline() == b"event: agent.ready\n"
    data = response.readline()
    assert data.startswith(b"data: {") and json.loads(data[6:])["message"] == "line one\nevent: forged"
    assert response.readline() == b"\n"
    response.close()
    connection.close()


def test_logs_follow_what_an_agent_prints(doors: Doors) -> None:
    doors.control.add_agent("default", a_plan())
    doors.do(doors.control.print_line("notes", "one"))
    doors.do(doors.control.print_line("notes", "two"))
    connection, response = begin(doors, "/v1/agents/notes/logs?follow=true&tail=1")
    assert json.loads(response.readline())["text"] == "two"
    doors.do(doors.control.print_line("notes", "three \x1b[31m"))
    assert json.loads(response.readline())["text"] == "three \x1b[31m"
    response.close()
    connection.close()


@pytest.mark.parametrize("follow", ["true", "false"])
def test_a_stream_of_nothing_that_exists_has_its_error_status(doors: Doors, follow: str) -> None:
    connection, response = begin(doors, f"/v1/agents/nobody/logs?follow={follow}")
    assert response.status == 404
    assert json.loads(response.read())["error"]["type"] == "NotFound"
    connection.close()


def test_a_quiet_stream_shows_that_it_is_alive(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.05)
    connection, response = begin(doors, "/v1/events?follow=true")
    assert response.readline() == b"\n"
    response.close()
    connection.close()


def test_followers_end_cleanly_when_the_server_stops(tmp_path: Path) -> None:
    with opened_doors(tmp_path / "home") as doors:
        connection, response = begin(doors, "/v1/events?follow=true")
        doors.stop()
        assert response.read() == b""  # the last chunk came: a clean end, no cut connection
        connection.close()
