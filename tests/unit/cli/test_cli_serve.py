# SPDX-License-Identifier: Apache-2.0
"""`serve`: started in the background, found, refused a second time, stopped; nothing is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.cli.session import Session
from homeport.client import Client
from homeport.errors import UsageError
from homeport.settings import Settings, find_paths


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return f"127.0.0.1:{held.getsockname()[1]}"


def run(home: Path, *argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "homeport", *argv], capture_output=True, text=True, timeout=90, check=False,
        stdin=subprocess.DEVNULL, cwd=cwd, env={**os.environ, "HOMEPORT_HOME": str(home)},
    )  # fmt: skip


def test_a_server_is_started_found_refused_twice_and_stopped(tmp_path: Path) -> None:
    home, hostile = tmp_path / "home", tmp_path / "hostile"
    hostile.mkdir()
    for module in ("homeport", "uvicorn", "msgspec", "asyncio"):
        (hostile / f"{module}.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    flags = ("--api-listen", free_address(), "--gateway-listen", free_address())
    started = run(home, "serve", "--detach", "--json", *flags, cwd=hostile)
    try:
        assert started.returncode == 0, started.stderr
        told = json.loads(started.stdout)
        assert told["api"] == f"http://{flags[1]}"
        assert run(home, "list", "--json").stdout.strip() == "[]"
        again = run(home, "serve", "--detach", "--api-listen", free_address(), "--gateway-listen", free_address())
        assert again.returncode != 0 and str(told["pid"]) in again.stderr
        doctor = json.loads(run(home, "doctor", "--json").stdout)
        assert next(check for check in doctor["checks"] if check["name"] == "server")["ok"]
    finally:
        stopped = run(home, "serve", "--stop", "--json")
    assert json.loads(stopped.stdout) == {"stopped": told["pid"]}
    assert not (tmp_path / "executed").exists(), "a file of the folder one stands in was imported"
    assert not Path(f"/proc/{told['pid']}").exists() or "Z" in Path(f"/proc/{told['pid']}/stat").read_text()
    gone = run(home, "serve", "--stop")
    assert gone.returncode == 1 and "no server runs" in gone.stderr


def test_detach_and_stop_exclude_each_other(tmp_path: Path) -> None:
    assert run(tmp_path, "serve", "--detach", "--stop").returncode == UsageError.exit_code


@pytest.mark.parametrize(
    ("url", "warned"),
    [("http://example.org:8080", True), ("https://example.org", False), ("http://127.0.0.1:1", False), ("", False)],
)
def test_a_token_over_plain_http_to_another_machine_is_warned_of(
    tmp_path: Path, url: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session()
    session.__dict__["settings"] = Settings(find_paths({"HOMEPORT_HOME": str(tmp_path)}), url=url, token="hp_x")
    assert isinstance(session.client, Client)
    assert ("plain HTTP" in capsys.readouterr().err) is warned
