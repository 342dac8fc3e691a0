# SPDX-License-Identifier: Apache-2.0
"""The killtest as anybody runs it, short: 200 kills of gateway and agents, a few of PostgreSQL. `bench/killtest`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def killtest(*args: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "bench.killtest", "--json", *args]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(660)
def test_nothing_is_lost_nor_done_twice_nor_cut_unseen_over_200_kills() -> None:
    found = killtest("--kills", "200")
    assert found["kills"] == 200
    assert found["killed"]["gateway"] > 50
    assert found["killed"]["agent"] > 50
    assert found["answered"] > 0
    assert found["promised"] > 0
    assert found["websockets"]["whole"] > 0
    assert found["websockets"]["cut"] > 0
    assert (found["lost"], found["duplicated"], found["cut_as_clean"], found["damaged"]) == (0, 0, 0, 0)


@pytest.mark.timeout(660)
def test_nor_when_the_journal_is_a_postgresql_that_is_killed_too(tmp_path) -> None:
    table = tmp_path / "table.json"
    found = killtest("--kills", "24", "--homes", "1", "--journal", "postgres", "--seed", "4", "--add", str(table))
    assert found["killed"]["journal"] > 0
    assert (found["lost"], found["duplicated"], found["cut_as_clean"], found["damaged"]) == (0, 0, 0, 0)
    assert json.loads(table.read_text())["kills"] == 24
