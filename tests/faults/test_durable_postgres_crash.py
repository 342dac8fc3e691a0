# SPDX-License-Identifier: Apache-2.0
"""Real processes die in the middle of a workflow on PostgreSQL; a server in another folder finishes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

VICTIM = Path(__file__).with_name("durable_victim.py")
UP = {"sagas": ["up.v1"], "start": {"wf_1": "up.v1"}, "wait": ["wf_1"]}
RESUME = {"sagas": ["up.v1"], "wait": ["wf_1"]}


@pytest.fixture
def server(tmp_path, database):
    """Runs the victim in a folder of its own each time, as another machine would; what it reports."""
    count = 0

    def run(*, dies: bool = False, **order: object) -> dict:
        nonlocal count
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "ledger").symlink_to(tmp_path / "ledger")
        command = [sys.executable, "-W", "error", str(VICTIM), str(folder), json.dumps(order | {"url": database})]
        done = subprocess.run(command, timeout=90, capture_output=True, text=True)
        assert done.returncode == (9 if dies else 0), done.stderr
        assert done.stderr == "", done.stderr
        assert not (folder / "durable.db").exists()
        return {} if dies else json.loads(done.stdout)["status"]

    return run


def ledger(folder: Path) -> list[str]:
    return [line.removeprefix("up.v1 ") for line in (folder / "ledger").read_text().splitlines() if line != "closed"]


@pytest.mark.parametrize(
    ("die", "cancel", "state", "ran"),
    [
        ("between", False, "succeeded", ["a", "b", "c"]),
        ("inside", False, "succeeded", ["a", "b", "b", "c"]),
        ("inside", True, "cancelled", ["a", "b", "b", "undo b", "undo a"]),
        ("undo", True, "cancelled", ["a", "b", "undo b", "undo b", "undo a"]),
    ],
)
def test_another_server_goes_on_exactly_where_the_first_one_died(server, tmp_path, die, cancel, state, ran):
    server(dies=True, **UP, die=die, cancel=cancel)
    assert server(**RESUME)["wf_1"]["state"] == state
    assert ledger(tmp_path) == ran


def test_what_ended_is_known_to_the_next_server_and_does_not_run_again(server, tmp_path):
    server(**UP)
    found = server(**RESUME)["wf_1"]
    assert (found["state"], found["result"]) == ("succeeded", {"by": "up.v1"})
    assert ledger(tmp_path) == ["a", "b", "c"]


def test_all_that_is_stored_is_json_in_a_schema_of_its_own(server, postgres, database):
    server(**UP, cancel=True)
    name = database.partition("?")[0].rpartition("/")[2]
    schemas = postgres.query(name, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'workflow%'")
    assert schemas == "dbos"
    kept = postgres.query(name, "SELECT inputs FROM dbos.workflow_status UNION ALL SELECT output FROM "
                                "dbos.operation_outputs WHERE output IS NOT NULL").splitlines()  # fmt: skip
    assert len(kept) >= 8 and all(json.loads(value) is not None for value in kept)
