# SPDX-License-Identifier: Apache-2.0
"""Plans that are kept and made real by a real server, and what keeps one from being made real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fetching import git
from homeport.client import Client
from homeport.errors import UsageError
from homeport.model.codec import from_builtins
from homeport.model.plan import Plan
from homeport.settings import load
from homes import Home
from planned_sources import SERVICE, TRAINING, repository


@pytest.fixture
def training(tmp_path: Path) -> str:
    return str(repository(tmp_path / "trainer", TRAINING))


@pytest.fixture
def service(tmp_path: Path) -> str:
    return str(repository(tmp_path / "service", SERVICE))


def planned(home: Home, *argv: str, **env: str) -> Any:
    return json.loads(home.run("plan", *argv, "--json", HOMEPORT_RUNTIME="process", **env).stdout)


def test_a_plan_is_kept_and_made_real_by_a_real_server(home: Home, tmp_path: Path) -> None:
    source = repository(tmp_path / "agent", {"main.py": (home.agent() / "main.py").read_text(), "homeport.yaml": (
        "start: python main.py\nport: 8000\nhealth: /health\n"
    )})  # fmt: skip
    file = str(tmp_path / "plan.json")
    home.run("plan", str(source), "-o", file, HOMEPORT_RUNTIME="process")
    assert home.run("apply", file).stdout.startswith("agent is running")
    assert home.ask("/x")[0] == 200
    assert home.run("apply", file).returncode == 0, "again changes nothing"
    (source / "main.py").write_text("print()\n")
    git(source, "commit", "-qam", "moved")
    stale = home.run("apply", file, check=False)
    assert stale.returncode == 6 and "commit" in stale.stderr
    error = json.loads(home.run("apply", file, "--json", check=False).stdout)["error"]
    assert error["type"] == "StalePlan" and error["hint"]
    assert home.ask("/y")[0] == 200, "what runs goes on"
    elsewhere = planned(home, str(source), "--target", "linode")
    with pytest.raises(UsageError, match="machines of linode can be planned"):
        Client(load(environ=home.env)).deploy(from_builtins(elsewhere, Plan), replace=True, env={}, secrets=())
    assert home.ask("/z")[0] == 200, "and the server refuses what it cannot start, whoever asks"


def test_up_of_a_machine_that_cannot_be_started_yet_spends_nothing(home: Home, service: str) -> None:
    done = home.run("up", service, "--target", "linode", "--yes", check=False)
    assert done.returncode == 2 and "hint: plan for this machine with --target local" in done.stderr
    assert not home.pids("homeport.serve")


def test_a_selector_of_ones_own_chooses_among_what_will_do_and_a_hook_can_say_no(
    home: Home, training: str, service: str
) -> None:
    folder = home.folder / "config" / "plugins"
    folder.mkdir(mode=0o700, parents=True)
    plugin = folder / "mine.py"
    plugin.write_text(
        "def select_node_type(requirements):\n    return 'gpu_a100_pcie'\n\n\n"
        "def pre_launch_hook(server_name, image_id):\n    raise RuntimeError('not on a Friday')\n"
    )
    plugin.chmod(0o600)
    plan = planned(home, training, "--target", "chameleon")
    assert plan["chosen"]["machine_type"] == "gpu_a100_pcie" and plan["chosen_by"] == "selector mine"
    assert planned(home, training, "--target", "chameleon", "--selector", "none")["chosen_by"] == ""
    refused = home.run("up", service, "--selector", "none", check=False)
    assert refused.returncode == 1 and "not on a Friday" in refused.stderr
    assert not home.pids("homeport.serve"), "it was asked before anything was started"
