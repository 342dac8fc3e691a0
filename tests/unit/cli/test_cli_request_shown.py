# SPDX-License-Identifier: Apache-2.0
"""A stored request as a person sees it, and what the verbs of dead letters say where there is nothing to do."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from door_rig import Doors, Run
from homeport.cli.requested import sheet

pytestmark = pytest.mark.usefixtures("doors")


def stored(body: bytes, size: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "req_1", "agent": "notes", "method": "POST", "target": "/x?y=1", "state": "dead", "attempts": 2,
        "outcome": "outcome unknown: it died", "headers": [["Content-Type", "text/plain"]], "status": None,
        "bytes": len(body) if size is None else size, "body": base64.b64encode(body).decode(), **more,
    }  # fmt: skip


def test_a_request_is_shown_as_text_and_as_json_only_where_that_is_asked_for(doors: Doors, run: Run) -> None:
    answer = base64.b64encode(b"no\n").decode()
    doors.control.journal.append(
        stored(b"hello\x1b[2J", status=503, response_headers=[["Retry-After", "1"]], response_bytes=3,
               response_body=answer)
    )  # fmt: skip
    code, out, _ = run("requests", "show", "req_1")
    assert code == 0 and "\x1b" not in out
    for line in ("outcome:    outcome unknown: it died", "POST /x?y=1", "Content-Type: text/plain", "answer 503", "no"):
        assert line in out.splitlines()
    assert "hello" in out
    assert json.loads(run("requests", "show", "req_1", "--json")[1])["response_body"] == answer
    assert run("requests", "dead", "show", "req_1")[1] == out


@pytest.mark.parametrize(
    ("body", "size", "said"),
    [
        (b"\xff\xfe\x00", None, "[3 B, not text: --json has it in base64]"),
        (b"abc", 2048, "[the first 3 B of 2 KiB]"),
        ("ab\u20ac".encode()[:-1], 2048, "ab"),
        (b"", 2048, "[2 KiB, not shown]"),
    ],
)
def test_a_body_that_is_no_text_or_is_not_all_there_says_so(body: bytes, size: int | None, said: str) -> None:
    assert said in list(sheet(stored(body, size)))


def test_only_dead_letters_are_shown_as_such(doors: Doors, run: Run) -> None:
    doors.control.journal.append(stored(b"") | {"state": "pending"})
    code, out, err = run("requests", "dead", "show", "req_1")
    assert (code, out) == (1, "") and "req_1 is pending, not dead" in err


def test_sending_again_where_nothing_fits_says_so_and_is_no_error(run: Run) -> None:
    code, out, err = run("requests", "dead", "replay", "--all", "--agent", "nobody", "--yes")
    assert (code, out, err) == (0, "", "no dead letter fits\n")


def test_several_that_are_sent_again_are_a_line_of_json_each(doors: Doors, run: Run) -> None:
    doors.control.journal += [stored(b""), stored(b"") | {"id": "req_2"}]
    out = run("requests", "dead", "replay", "--all", "--yes", "--json")[1]
    assert sorted(json.loads(line)["id"] for line in out.splitlines()) == ["req_1", "req_2"]


def test_an_export_to_a_dash_is_lines_on_stdout(
    doors: Doors, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    doors.control.journal.append(stored(b""))
    code, out, _ = run("requests", "export", "-o", "-")
    assert (code, json.loads(out)["id"], list(tmp_path.glob("-"))) == (0, "req_1", [])
