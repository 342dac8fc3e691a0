# SPDX-License-Identifier: Apache-2.0
"""`requests` and `requests dead` against a real API: what is shown, removed, exported, and to whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from door_rig import Doors, Run
from homeport.client import Client
from homeport.errors import Denied
from homeport.model.kept import Wanted
from homeport.model.token import Role

pytestmark = pytest.mark.usefixtures("doors")


@pytest.fixture
def doors(doors: Doors) -> Doors:
    doors.control.journal += [
        {
            "id": f"req_{n}", "agent": "notes" if n % 2 else "mail", "method": "GET", "target": f"/{n}",
            "state": state, "attempts": 1, "status": None, "accepted_at": "now", "outcome": "", "body": "aGk=",
        }
        for n, state in enumerate(["completed", "dead", "dead", "dead", "pending", "completed", "failed"])
    ]  # fmt: skip
    return doors


def states(doors: Doors) -> dict[str, str]:
    return {request["id"]: request["state"] for request in doors.control.journal}


def test_dead_letters_are_listed_replayed_and_dropped(doors: Doors, run: Run) -> None:
    code, out, _ = run("requests", "dead", "list", "--agent", "notes", "--json")
    assert (code, [one["id"] for one in json.loads(out)]) == (0, ["req_3", "req_1"])
    assert run("requests", "dead", "replay", "req_1")[0] == 0
    assert states(doors)["req_1"] == "pending"
    code, _, err = run("requests", "dead", "drop", "req_1")
    assert (code, "req_1 is pending, not dead" in err) == (1, True)
    assert run("requests", "dead", "drop", "req_2")[1] == "req_2: dropped\n"
    assert "req_2" not in states(doors)


def test_all_dead_letters_that_fit_are_sent_again_oldest_first_and_only_when_confirmed(doors: Doors, run: Run) -> None:
    code, _, err = run("requests", "dead", "replay", "--all")
    assert (code, "--yes" in err, states(doors)["req_1"]) == (2, True, "dead")
    code, out, _ = run("requests", "dead", "replay", "--all", "--agent", "notes", "--yes")
    assert (code, out) == (0, "req_1: pending\nreq_3: pending\n")
    assert states(doors)["req_2"] == "dead"


@pytest.mark.parametrize("argv", [(), ("req_1", "--all"), ("--agent", "notes"), ("req_1", "--agent", "notes")])
def test_what_is_meant_must_be_clear_before_dead_letters_are_dropped(doors: Doors, run: Run, argv: tuple[str]) -> None:
    before = states(doors)
    assert run("requests", "dead", "drop", *argv, "--yes")[0] == 2
    assert states(doors) == before


def test_clear_asks_first_and_leaves_what_is_not_over_and_dead_letters(doors: Doors, run: Run) -> None:
    code, _, err = run("requests", "clear")
    assert (code, "completed and failed requests of every agent" in err) == (2, True)
    assert len(states(doors)) == 7
    assert run("requests", "clear", "--yes")[1] == "3 removed\n"
    assert set(states(doors).values()) == {"dead", "pending"}
    code, out, _ = run("requests", "dead", "drop", "--all", "--yes", "--json")
    assert (code, json.loads(out)) == (0, {"removed": 3})
    assert states(doors) == {"req_4": "pending"}


def test_an_export_is_lines_of_json_oldest_first_and_its_file_is_whole_or_not_there(
    doors: Doors, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "out.ndjson"
    assert run("requests", "export", "--output", str(file))[0] == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["id"] for one in lines] == [f"req_{n}" for n in range(7)]
    assert not any("body" in one for one in lines)
    assert file.stat().st_mode & 0o077 == 0
    assert run("requests", "export", "--output", str(file))[0] == 1
    code, out, _ = run("requests", "export", "--bodies", "--state", "failed")
    assert [one["body"] for one in map(json.loads, out.splitlines())] == ["aGk="]
    doors.stop()
    code, _, err = run("requests", "export", "--output", str(tmp_path / "late"))
    assert (code != 0, (tmp_path / "late").exists(), "hint" in err) == (True, False, True)
    assert not list(tmp_path.glob(".late*"))


def test_a_viewer_sees_heads_and_no_bodies(doors: Doors, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = doors.token(Role.VIEWER)
    monkeypatch.setenv("HOMEPORT_URL", doors.url)
    monkeypatch.setenv("HOMEPORT_TOKEN", text)
    code, out, err = run("requests", "show", "req_1", "--json")
    assert (code, json.loads(out)["target"], "body" in json.loads(out)) == (0, "/1", False)
    assert "without bodies" in err
    viewer = Client(doors.remote(text))
    assert len(list(viewer.export_requests(Wanted()))) == 7
    with pytest.raises(Denied):
        list(viewer.export_requests(Wanted(), bodies=True))
    with pytest.raises(Denied):
        viewer.clear_requests(Wanted(state="dead"))


def test_requests_are_followed_as_they_come(doors: Doors, run: Run) -> None:
    code, out, _ = run("requests", "tail", "--state", "pending", "--json")
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, ["req_4"])


def test_under_the_name_agentainer_the_agent_comes_first(doors: Doors, run: Run) -> None:
    out = run("requests", "notes", "--json", program="agentainer")[1]
    assert [one["id"] for one in json.loads(out)] == ["req_5", "req_3", "req_1"]
    assert json.loads(run("requests", "notes", "show", "req_1", "--json", program="agentainer")[1])["id"] == "req_1"
    assert run("requests", "mail", "replay", "req_1", program="agentainer")[0] == 2
    assert run("requests", "notes", "clear", "--yes", program="agentainer")[1] == "1 removed\n"
    assert "req_0" in states(doors)
    assert run("requests", "dead", "list", program="agentainer")[0] == 0
