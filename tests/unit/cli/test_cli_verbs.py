# SPDX-License-Identifier: Apache-2.0
"""The verbs against a real API: what is printed, in both forms, and the exit code."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from door_rig import Doors, Run, a_plan
from homeport.app.control import Actor
from homeport.cli.group import build
from homeport.model.agent import Agent

pytestmark = pytest.mark.usefixtures("doors")


def loaded(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result
    return json.loads(result[1])


def test_several_agents_are_stopped_at_the_same_time(doors: Doors, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes its whole grace period does not make all others wait for it."""
    asked: list[str] = []
    stop = doors.control.stop

    async def stop_once_both_are_asked(actor: Actor, name: str) -> Agent:
        asked.append(name)
        async with asyncio.timeout(20):
            while len(asked) < 2:
                await asyncio.sleep(0.01)
        return await stop(actor, name)

    monkeypatch.setattr(doors.control, "stop", stop_once_both_are_asked)
    for name in ("one", "two"):
        doors.control.add_agent("default", a_plan(name))
    assert run("stop", "--all")[1] == "one: stopped\ntwo: stopped\n"


def test_list_shows_agents_and_where_they_answer(doors: Doors, run: Run) -> None:
    assert run("list")[1].split() == "NAME TARGET STATUS HEALTH QUEUE COST/H ENDS URL".split()
    doors.control.add_agent("default", a_plan())
    doors.control.journal.append({"id": "req_1", "agent": "notes", "state": "pending"})
    code, out, _ = run("list")
    assert code == 0
    assert out.splitlines()[1].split() == [
        "notes", "local", "running", "healthy", "1", "$0.00", "never", "http://127.0.0.1:8081/agent/notes/"
    ]  # fmt: skip
    assert loaded(run("list", "--json"))[0]["queue"] == 1
    assert loaded(run("--json", "list")) == loaded(run("list", "--json"))


def test_shared_options_work_before_and_after_the_verb(doors: Doors, run: Run) -> None:
    doors.control.add_agent("blue", a_plan())
    assert loaded(run("list", "--json", "--namespace", "blue"))[0]["name"] == "notes"
    assert loaded(run("--namespace", "blue", "--json", "list"))[0]["name"] == "notes"
    assert loaded(run("list", "--json")) == []


def test_inspect_tells_people_and_machines(doors: Doors, run: Run) -> None:
    agent = doors.control.add_agent("default", a_plan())
    assert agent.id in run("inspect", "notes")[1]
    assert loaded(run("inspect", "notes", "--json"))["id"] == agent.id
    code, out, err = run("inspect", "nobody")
    assert (code, out) == (2, "") and "hint: homeport list" in err


def test_agents_are_stopped_several_at_once_and_the_failure_decides(doors: Doors, run: Run) -> None:
    for name in ("one", "two"):
        doors.control.add_agent("default", a_plan(name))
    code, out, err = run("stop", "one", "nobody", "two")
    assert (code, out.split("\n")[:2]) == (2, ["one: stopped", "two: stopped"]) and "nobody" in err
    assert run("start", "--all")[1] == "one: started\ntwo: started\n"
    done = loaded(run("restart", "one", "one", "--json"))
    assert [agent["restarts"] for agent in done["done"]] == [1] and done["failed"] == {}


def test_remove_asks_and_without_a_terminal_names_the_flag(doors: Doors, run: Run) -> None:
    doors.control.add_agent("default", a_plan())
    code, out, err = run("remove", "notes", stdin="y\n")
    assert (code, out) == (2, "") and "hint: --yes" in err
    assert ("default", "notes") in doors.control.held
    assert run("remove", "notes", "--yes")[:2] == (0, "notes: removed\n")
    assert run("remove", "--all", "--yes")[:2] == (0, "")


def test_logs_cannot_steer_the_terminal_and_json_keeps_them_whole(doors: Doors, run: Run) -> None:
    doors.control.add_agent("default", a_plan())
    for text in ("one", "\x1b[2Jtwo"):
        doors.do(doors.control.print_line("notes", text))
    assert run("logs", "notes")[1] == "one\n\\x1b[2Jtwo\n"
    assert run("logs", "notes", "--tail", "1", "--since", "1h")[1] == "\\x1b[2Jtwo\n"
    lines = [json.loads(line) for line in run("logs", "notes", "--json")[1].splitlines()]
    assert [line["text"] for line in lines] == ["one", "\x1b[2Jtwo"]


def test_events_are_listed_by_subject(doors: Doors, run: Run) -> None:
    for name in ("one", "two"):
        doors.do(doors.control.happen("default", "agent.ready", name, "healthy"))
    [line] = run("events", "--subject", "two")[1].splitlines()
    assert line.split()[1:] == ["agent.ready", "two", "healthy"]
    assert len(run("events", "--json")[1].splitlines()) == 2


def test_requests_are_listed_shown_and_replayed(doors: Doors, run: Run) -> None:
    doors.control.journal.append({"id": "req_1", "agent": "notes", "state": "dead", "outcome": "outcome unknown"})
    assert "outcome unknown" in run("requests", "list", "--state", "dead")[1]
    assert loaded(run("requests", "list", "--json"))[0]["id"] == "req_1"
    assert loaded(run("requests", "show", "req_1", "--json"))["state"] == "dead"
    assert run("requests", "replay", "req_1")[1] == "req_1: pending\n"
    assert run("requests", "show", "req_2")[0] == 2


def test_a_token_is_made_listed_and_revoked(run: Run) -> None:
    code, out, err = run("token", "create", "--role", "agent", "--agent", "notes", "--ttl", "1h", "--label", "ci")
    assert code == 0 and out.startswith("hp_") and "not shown again" in err
    [token] = loaded(run("token", "list", "--json"))
    assert token["agents"] == ["notes"] and token["sha256"] == ""
    assert out.strip() not in run("token", "list")[1]
    assert run("token", "revoke", token["id"])[0] == 0
    assert "revoked" in run("token", "list")[1]


def test_a_secret_comes_from_stdin_and_is_never_printed(run: Run) -> None:
    assert run("secret", "set", "key", stdin="s3cr3t\n")[:2] == (0, "key: set\n")
    assert run("secret", "list")[1] == "key\n"
    assert run("secret", "set", "empty", stdin="")[0] == 2
    assert run("secret", "remove", "key")[1] == "key: removed\n"
    assert loaded(run("secret", "remove", "key", "--json")) == {"removed": False}


def test_the_audit_trail_is_listed_and_verified(run: Run) -> None:
    run("secret", "list")
    assert "secrets.read" in run("audit", "list")[1]
    assert "nothing was changed" in run("audit", "verify")[1]


def test_status_speaks_of_the_running_server(run: Run) -> None:
    assert "gateway: 127.0.0.1:8081" in run("status")[1]
    assert loaded(run("status", "--json"))["version"] == "0"


def test_a_server_elsewhere_is_used_with_its_token(doors: Doors, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = run("list", "--url", doors.url)
    assert code == 3 and "token" in err
    monkeypatch.setenv("HOMEPORT_TOKEN", doors.token())
    assert loaded(run("list", "--url", doors.url, "--json")) == []


def test_doctor_looks_and_changes_nothing(doors: Doors, run: Run) -> None:
    before = sorted(path for path in doors.settings.paths.config.parent.rglob("*"))
    found = loaded(run("doctor", "--json"))
    assert found["ok"]
    names = {check["name"] for check in found["checks"]}
    assert {"python", "git", "bubblewrap", "cgroups", "server", "Docker engine", "PostgreSQL client", "LLM"} <= names
    assert all(check["ok"] or check["fix"] or "optional" in check["detail"] for check in found["checks"])
    assert sorted(path for path in doors.settings.paths.config.parent.rglob("*")) == before
    assert "bubblewrap" in run("doctor")[1]


def test_the_click_runner_sees_the_same_commands(doors: Doors, run: Run) -> None:
    result = CliRunner().invoke(build(), ["list", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout) == []


def test_a_reader_that_leaves_early_is_no_error(doors: Doors) -> None:
    doors.control.add_agent("default", a_plan())
    for _ in range(3000):
        doors.do(doors.control.print_line("notes", "x" * 100))
    program = subprocess.Popen(
        [sys.executable, "-m", "homeport", "logs", "notes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "HOMEPORT_HOME": str(doors.settings.paths.config.parent)},
    )  # fmt: skip
    assert program.stdout and program.stderr
    program.stdout.readline()
    program.stdout.close()
    assert program.stderr.read() == b""
    program.stderr.close()
    assert program.wait(30) == 0
