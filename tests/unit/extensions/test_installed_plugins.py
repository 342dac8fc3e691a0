# SPDX-License-Identifier: Apache-2.0
"""Plugins that come as installed distributions, and the one of the examples at work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from homes import Home

TESTS = Path(__file__).parents[2]
PLUGIN = TESTS.parent / "examples" / "plugins" / "keep-away"

ASK = """
import sys
sys.path.insert(0, sys.argv[1])
from homeport.app.extensions import load_extensions
from launchable import LAPTOP, OFFERS, needs, plan_of
found = load_extensions([])
picks, warnings = found.choose(needs(), OFFERS)
for word in sys.argv[2:]:
    found.before_launch(plan_of(LAPTOP)) if word == "begin" else found.after_launch(plan_of(LAPTOP), server_id="i-1")
print([pick.machine[0] for pick in picks], *warnings, *found.troubles)
"""


def install(folder: Path, name: str, entries: str, module: str = "") -> Path:
    """As an installer leaves it: modules, and beside them what says which entry points there are."""
    about = folder / f"{name}-0.1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text(entries)
    if module:
        (folder / f"{name}.py").write_text(module)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def example(site: Path) -> Path:
    """The example, installed as its pyproject.toml says."""
    groups = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in found.items()) for group, found in groups.items()]
    install(site, "homeport_keep_away", "".join(lines))
    shutil.copy(PLUGIN / "keep_away.py", site)
    return site


def ask(site: Path, state: Path, *words: str, **env: str) -> str:
    around = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "XDG_STATE_HOME": str(state), **env}
    argv = [sys.executable, "-c", ASK, str(TESTS), *words]
    return subprocess.run(argv, env=around, capture_output=True, text=True, check=True).stdout.strip()


class TestKeepAway:
    """The plugin of the examples."""

    def test_the_ranking_chooses_while_nothing_failed(self, example: Path, tmp_path: Path) -> None:
        assert ask(example, tmp_path) == "[]"

    def test_after_a_launch_that_never_became_ready_the_next_best_is_chosen(
        self, example: Path, tmp_path: Path
    ) -> None:
        ask(example, tmp_path, "begin")
        assert ask(example, tmp_path) == "['linode']"

    def test_a_launch_that_becomes_ready_wipes_the_slate(self, example: Path, tmp_path: Path) -> None:
        ask(example, tmp_path, "begin")
        ask(example, tmp_path, "begin", "ready")
        assert ask(example, tmp_path) == "[]"

    def test_a_failure_is_forgotten_after_a_day_or_as_long_as_one_says(self, example: Path, tmp_path: Path) -> None:
        memory = tmp_path / "homeport-keep-away.json"
        memory.write_text(json.dumps({"local here this-machine": time.time() - 25 * 3600}))
        assert ask(example, tmp_path) == "[]"
        assert ask(example, tmp_path, KEEP_AWAY_HOURS="26") == "['linode']"

    def test_a_setting_that_is_no_number_is_a_warning(self, example: Path, tmp_path: Path) -> None:
        ask(example, tmp_path, "begin")
        told = ask(example, tmp_path, KEEP_AWAY_HOURS="a day")
        assert told.startswith("[] selector keep-away is not followed: ")
        assert "keep_away.py:" in told
        assert "ValueError: could not convert" in told

    def test_a_memory_that_cannot_be_read_is_forgotten(self, example: Path, tmp_path: Path) -> None:
        (tmp_path / "homeport-keep-away.json").write_text("[1")
        assert ask(example, tmp_path, "begin") == "[]"
        assert ask(example, tmp_path) == "['linode']"

    def test_doctor_lists_it(self, example: Path, home: Home) -> None:
        found = home.run("doctor", check=False, PYTHONPATH=str(example)).stdout
        assert "selector and hook, homeport_keep_away 0.1.0 (keep_away:KeepAway)" in found


class TestEntryPoints:
    def test_a_bare_function_is_a_selector(self, site: Path, tmp_path: Path) -> None:
        install(
            site, "bare", "[homeport.selectors]\nbare = bare:pick\n", "def pick(requirements): return 'gpu_rtx_6000'"
        )
        assert ask(site, tmp_path) == "['chameleon']"

    def test_a_module_with_the_names_of_the_guide_is_a_selector(self, site: Path, tmp_path: Path) -> None:
        text = "def select_node_type(requirements): return ('us-east', 'g6-standard-1')"
        install(site, "module", "[homeport.selectors]\nmodule = module\n", text)
        assert ask(site, tmp_path) == "['linode']"

    def test_one_whose_module_is_not_there_is_a_warning(self, site: Path, tmp_path: Path) -> None:
        install(site, "gone", "[homeport.selectors]\ngone = gone_away:pick\n")
        told = ask(site, tmp_path)
        assert told == (
            "[] extension gone (gone 0.1.0 (gone_away:pick)) is not used: "
            "ModuleNotFoundError: No module named 'gone_away'"
        )

    def test_one_that_breaks_while_it_is_made_names_its_line(self, site: Path, tmp_path: Path) -> None:
        text = (
            "class Made:\n    def __init__(self):\n        raise RuntimeError('no')\n    def select(self, a, b): ...\n"
        )
        install(site, "made", "[homeport.selectors]\nmade = made:Made\n", text)
        assert f"{site}/made.py:3: RuntimeError: no" in ask(site, tmp_path)

    def test_one_that_is_nothing_of_use_says_what_there_is(self, site: Path, tmp_path: Path) -> None:
        install(site, "number", "[homeport.selectors]\nnumber = number:seven\n", "seven = 7")
        assert "TypeError: it has none of select, select_node_type" in ask(site, tmp_path)

    def test_one_whose_record_is_broken_is_named_and_the_others_are_used(self, site: Path, tmp_path: Path) -> None:
        install(site, "broken", "[homeport.selectors]\nno equals sign\n")
        install(site, "other", "[console_scripts]\nno equals sign here either\n")
        install(
            site, "bare", "[homeport.selectors]\nbare = bare:pick\n", "def pick(requirements): return 'gpu_rtx_6000'"
        )
        told = ask(site, tmp_path)
        assert told.startswith("['chameleon'] extension broken (an installed distribution) is not used: ")
        assert "other" not in told

    def test_one_in_the_folder_one_stands_in_is_not_installed(self, site: Path, home: Home, tmp_path: Path) -> None:
        text = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef select(requirements, fitting): return fitting[-1]"
        install(site, "evil", "[homeport.selectors]\nevil = evil\n", text)
        (site / "main.py").write_text("print(1)")
        argv = [sys.executable, "-m", "homeport", "plan", ".", "--start", "python main.py", "--port", "8000"]
        done = subprocess.run(argv, cwd=site, env=home.env, capture_output=True, text=True, check=True)
        assert "evil" not in done.stdout.replace("evil.py", "")
        assert not (tmp_path / "ran").exists()
