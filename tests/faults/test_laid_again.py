# SPDX-License-Identifier: Apache-2.0
"""Agents whose folders are not here any more: laid out again from their source, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import zipfile
from pathlib import Path

import pytest

from homes import AGENT, MANIFEST, Home, wait_until

pytestmark = pytest.mark.timeout(180)
WHEEL = "markerdep-1.0-py3-none-any.whl"


def with_a_dependency(home: Home) -> Path:
    """An agent that cannot run without its dependency, a wheel in its own folder: no index is asked."""
    folder = home.agent("dep", code="import markerdep\n" + AGENT, manifest=MANIFEST + "install: requirements.txt\n")
    (folder / "requirements.txt").write_text(f"./{WHEEL}\n")
    about = "markerdep-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("markerdep.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: markerdep\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return folder


def state(home: Home) -> dict[str, str]:
    done = home.run("--json", "inspect", "agent", check=False)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def code_of(home: Home) -> Path:
    (code,) = (home.folder / "state" / "agents").glob("agt_*/code-*")
    return code


def test_a_machine_that_dies_while_it_installs_again_does_not_start_half_an_agent(home: Home) -> None:
    home.run("up", str(with_a_dependency(home)), "--name", "agent")
    home.run("stop", "agent")
    code = code_of(home)
    shutil.rmtree(code)
    home.spawn("start", "agent").communicate(timeout=60)
    assert wait_until(lambda: (code.parent / "job").exists(), 60), "its dependencies are being installed"
    while pids := home.pids():  # the machine loses its power
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    home.run("serve", "--detach")
    assert wait_until(lambda: state(home).get("state") in ("running", "crashed"), 90)
    assert state(home)["state"] == "running", home.log_tail()
    assert home.ask("/x")[0] == 200
    assert not list(code.parent.glob("again-*"))


def test_a_source_that_is_gone_says_so(home: Home) -> None:
    folder = home.agent()
    home.run("up", str(folder), "--name", "agent")
    home.run("stop", "agent")
    shutil.rmtree(code_of(home))
    shutil.rmtree(folder)
    home.run("start", "agent")
    assert wait_until(lambda: str(folder) in state(home).get("detail", ""), 60), state(home)
    assert "could not be started" in state(home)["detail"]
    home.run("remove", "agent", "--yes")


def test_a_disk_that_refuses_stops_one_agent_and_is_told(home: Home) -> None:
    """What nobody expected is an answer too: else the agent would be starting for ever."""
    home.run("up", str(home.agent()), "--name", "agent")
    home.run("up", str(home.agent("other")), "--name", "other")
    home.run("stop", "agent")
    data = home.folder / "state" / "agents" / home.json("inspect", "agent")["id"] / "data"
    shutil.rmtree(data.parent)
    data.parent.write_text("a file where its folder was")
    home.run("start", "agent")
    assert wait_until(lambda: "FileExistsError" in state(home).get("detail", ""), 60), state(home)
    data.parent.unlink()
    home.run("start", "agent")
    assert wait_until(lambda: state(home)["state"] == "running", 60), state(home)
    assert home.ask("/x", name="other")[0] == 200
