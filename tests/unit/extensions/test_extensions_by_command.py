# SPDX-License-Identifier: Apache-2.0
"""Selectors and hooks as a user of the command line meets them."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from homes import AGENT, MANIFEST, Home


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A small service, which any machine will do for."""
    made = tmp_path / "notes"
    made.mkdir()
    (made / "homeport.yaml").write_text(MANIFEST)
    (made / "main.py").write_text(AGENT)
    return made


def write(home: Home, name: str, text: str) -> Path:
    folder = home.folder / "config" / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / name).write_text(text)
    (folder / name).chmod(0o644)
    return folder / name


def plan(home: Home, repo: Path, *words: str) -> Any:
    return home.json("plan", str(repo), *words)


class TestPlan:
    def test_a_selector_chooses_and_the_plan_says_who_did(self, home: Home, repo: Path) -> None:
        write(home, "mine.py", "def select(r, fitting): return next(o for o in fitting if o.cloud == 'linode')")
        found = plan(home, repo)
        assert (found["chosen"]["cloud"], found["chosen_by"]) == ("linode", "selector mine")

    def test_one_of_the_guide_names_a_site_and_a_node_type(self, home: Home, repo: Path) -> None:
        write(home, "mine.py", "def select_node_type(requirements): return ('CHI@UC', 'compute_cascadelake_r')")
        found = plan(home, repo)["chosen"]
        assert (found["cloud"], found["region"], found["machine_type"]) == ("chameleon", "uc", "compute_cascadelake_r")

    def test_with_none_the_ranking_chooses(self, home: Home, repo: Path) -> None:
        write(home, "mine.py", "def select(r, fitting): return fitting[-1]")
        found = plan(home, repo, "--selector", "none")
        assert (found["chosen"]["cloud"], found["chosen_by"]) == ("local", "")

    def test_it_only_sees_what_is_inside_the_limits(self, home: Home, repo: Path) -> None:
        text = "def select(r, fitting):\n    assert {o.cloud for o in fitting} == {'linode'}\n    return fitting[1]"
        write(home, "mine.py", text)
        found = plan(home, repo, "--target", "linode")
        assert found["chosen_by"] == "selector mine"

    def test_one_that_fails_is_a_warning_with_its_line(self, home: Home, repo: Path) -> None:
        path = write(home, "mine.py", "def select(r, fitting):\n    raise LookupError('no table')")
        found = plan(home, repo)
        assert found["chosen"]["cloud"] == "local"
        assert f"selector mine is not followed: {path}:2: LookupError: no table" in found["warnings"]

    def test_one_that_is_not_there_is_refused(self, home: Home, repo: Path) -> None:
        done = home.run("plan", str(repo), "--selector", "gone", check=False)
        assert done.returncode == 2
        assert "error: no selector 'gone'" in done.stderr

    def test_what_it_prints_is_not_among_the_data(self, home: Home, repo: Path) -> None:
        write(home, "mine.py", "import os\nprint('loaded')\ndef select(r, fitting): os.system('echo asked')")
        done = home.run("--json", "plan", str(repo))
        assert json.loads(done.stdout)["chosen"]["cloud"] == "local"
        assert {"loaded", "asked"} <= set(done.stderr.split())

    def test_ctrl_c_does_not_wait_for_one_that_never_answers(self, home: Home, repo: Path) -> None:
        text = "import threading\ndef select(r, fitting):\n    print('asked', flush=True)\n    threading.Event().wait()"
        write(home, "mine.py", text)
        with home.spawn("plan", str(repo)) as process:
            assert process.stderr is not None
            assert any(line == "asked\n" for line in process.stderr)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130

    def test_a_plugin_in_the_repository_is_never_run(self, home: Home, repo: Path, tmp_path: Path) -> None:
        for folder in (repo / "plugins", repo / ".envboot" / "plugins", repo / "config" / "plugins"):
            folder.mkdir(parents=True)
            (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef select(r, f): return f[-1]")
        assert plan(home, repo)["chosen_by"] == ""
        assert not (tmp_path / "ran").exists()


class TestUp:
    def test_hooks_are_called_around_a_launch_in_order(self, home: Home, repo: Path, tmp_path: Path) -> None:
        told = tmp_path / "told"
        text = f"""
from pathlib import Path
def note(*words):
    with Path({str(told)!r}).open("a") as out:
        print(*words, file=out)
def pre_launch_hook(server_name, image_id): note("before", server_name)
def post_launch_hook(server_id, floating_ip): note("after", server_id.partition("-")[0], floating_ip)
def on_server_ready(info): note("ready", info["server_name"], info["target"], info["url"].rpartition("/agent/")[2])
"""
        write(home, "mine.py", text)
        home.run("up", str(repo), "--yes", "--runtime", "process")
        assert told.read_text().splitlines() == ["before notes", "after local None", "ready notes local notes/"]

    def test_one_that_says_no_stops_it_before_a_server_is_started(self, home: Home, repo: Path) -> None:
        path = write(home, "mine.py", "def before_launch(facts):\n    raise ValueError('not on a Friday')")
        done = home.run("up", str(repo), "--yes", check=False)
        assert done.returncode == 1
        assert f"error: hook mine stops the launch: {path}:2: ValueError: not on a Friday" in done.stderr
        assert not home.pids()

    def test_one_that_fails_afterwards_is_a_note(self, home: Home, repo: Path) -> None:
        path = write(home, "mine.py", "def on_ready(facts):\n    raise ValueError('no DNS')")
        done = home.run("up", str(repo), "--yes", "--runtime", "process")
        assert f"note: hook mine: on_ready: {path}:2: ValueError: no DNS" in done.stderr
        assert "notes is running" in done.stdout
