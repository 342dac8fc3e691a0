# SPDX-License-Identifier: Apache-2.0
"""`up` as people run it: a process of its own, with a Ctrl-C when they change their mind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from door_rig import Doors, opened_doors
from homeport.errors import Unhealthy


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "app.py").write_text("print('never run by these tests')\n")
    (folder / "homeport.yaml").write_text("start: python app.py\nport: 8000\nhealth: /health\n")
    return folder


@contextmanager
def program(home: Path, *argv: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "homeport", *argv], text=True, bufsize=1,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "HOMEPORT_HOME": str(home)},
    )  # fmt: skip
    with process:
        yield process
        assert process.poll() is not None, "the program did not end"


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said:\n{said}")


def home_of(doors: Doors) -> Path:
    return doors.settings.paths.config.parent


def test_up_explains_deploys_and_says_what_to_do_next(tmp_path: Path, source: Path) -> None:
    with opened_doors(tmp_path / "home") as doors, program(home_of(doors), "up", str(source)) as up:
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert "homeport.yaml:1" in err and "manifest.start" in err and "✔ ready" in err
    assert out.splitlines()[0] == "notes is running"
    for told in ("http://127.0.0.1:8081/agent/notes/", "curl ", "homeport logs -f notes", "homeport stop notes"):
        assert told in out


def test_a_dry_run_needs_no_server_and_starts_none(tmp_path: Path, source: Path) -> None:
    with program(tmp_path / "home", "up", str(source), "--dry-run", "--json") as up:
        out, _ = up.communicate(timeout=60)
    plan = json.loads(out)
    assert plan["name"] == "notes" and plan["requirements"]["start"]["value"] == ["python", "app.py"]
    assert not (tmp_path / "home" / "run" / "api.sock").exists()


def test_a_source_that_does_not_exist_is_one_clear_error(tmp_path: Path) -> None:
    with program(tmp_path / "home", "up", str(tmp_path / "nowhere")) as up:
        out, err = up.communicate(timeout=60)
    assert (up.returncode, out) == (2, "")
    assert err.startswith("error: ") and "\n\nhint: " in err and "Traceback" not in err


def test_a_failed_deployment_says_why_and_what_was_undone(tmp_path: Path, source: Path) -> None:
    failure = Unhealthy("it never answered:\n  | Traceback \x1b[31m", hint="say another command with --start")
    with (
        opened_doors(tmp_path / "home", fail_at="ready", failure=failure) as doors,
        program(home_of(doors), "up", str(source)) as up,
    ):
        out, err = up.communicate(timeout=60)
    assert (up.returncode, out) == (5, "")
    assert "error: it never answered:\n  | Traceback \\x1b[31m\nundone: agent, code, machine" in err
    assert "hint: say another command with --start" in err


def test_ctrl_c_cancels_waits_and_says_what_was_undone(tmp_path: Path, source: Path) -> None:
    with opened_doors(tmp_path / "home", step_s=0.5) as doors, program(home_of(doors), "up", str(source)) as up:
        read_until(up, "✔ machine")
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=60)
    assert (up.returncode, out) == (130, "")
    assert "cancelling" in err and "error: cancelled; undone: " in err and "machine" in err.rpartition("undone: ")[2]
    assert "✔ machine" not in err, "what was told before is not told again"
    [deployment] = doors.control.deployments.values()
    assert deployment.state == "cancelled"


def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path, source: Path) -> None:
    with opened_doors(tmp_path / "home", step_s=3.0) as doors, program(home_of(doors), "up", str(source)) as up:
        read_until(up, "… machine")
        up.send_signal(signal.SIGINT)
        read_until(up, "cancelling")
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=60)
        assert next(iter(doors.control.deployments.values())).state == "running"
    assert up.returncode == 130 and "left at once" in err and "Traceback" not in err


def test_ctrl_c_before_anything_began_leaves_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with program(tmp_path / "home", "list", "--url", url) as waiting:
            connection, _ = silent.accept()
            waiting.send_signal(signal.SIGINT)
            out, err = waiting.communicate(timeout=60)
            connection.close()
    assert (waiting.returncode, out, err.strip()) == (130, "", "error: interrupted")


def test_following_survives_the_restart_of_the_server(tmp_path: Path, source: Path) -> None:
    home = tmp_path / "home"
    with opened_doors(home, step_s=0.5) as first, program(home, "up", str(source)) as up:
        read_until(up, "✔ machine")
        first.stop()
        first.settings.paths.api_socket.unlink()
        with opened_doors(home) as second:
            [deployment] = first.control.deployments.values()
            second.do(second.control.finish(deployment))
            out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert out.startswith("notes is running")


def test_a_port_in_use_is_one_clear_error_and_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        with program(tmp_path / "home", "serve", "--detach", "--api-listen", address) as serve:
            out, err = serve.communicate(timeout=60)
    assert serve.returncode != 0 and out == ""
    assert address in err and "in use" in err and "Traceback" not in err
    assert not (tmp_path / "home" / "run" / "api.sock").exists()
