# SPDX-License-Identifier: Apache-2.0
"""Real processes die in the middle of a workflow; the next server on the folder finishes it."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.errors import Conflict

VICTIM = Path(__file__).with_name("durable_victim.py")


def command(folder: Path, **order: object) -> list[str]:
    return [sys.executable, "-W", "error", str(VICTIM), str(folder), json.dumps(order)]


def die(folder: Path, **order: object) -> None:
    done = subprocess.run(command(folder, **order), timeout=60, capture_output=True, text=True)
    assert done.returncode == 9, done.stderr


def serve(folder: Path, **order: object) -> dict:
    """A server that lives; what it reports. It must say nothing else."""
    done = subprocess.run(command(folder, **order), timeout=90, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" or order.get("noisy"), done.stderr
    return json.loads(done.stdout)


def ledger(folder: Path) -> list[str]:
    return [line.removeprefix("up.v1 ") for line in (folder / "ledger").read_text().splitlines() if line != "closed"]


UP = {"sagas": ["up.v1"], "start": {"wf_1": "up.v1"}, "wait": ["wf_1"]}
RESUME = {"sagas": ["up.v1"], "wait": ["wf_1"]}


def test_a_crash_between_steps_repeats_none_of_them_and_the_rest_runs_once(tmp_path):
    die(tmp_path, **UP, die="between")
    report = serve(tmp_path, **RESUME)
    assert report["status"]["wf_1"]["result"] == {"by": "up.v1"}
    assert ledger(tmp_path) == ["a", "b", "c"]
    assert report["connected"] == [], "durable steps speak to nobody"


def test_a_crash_inside_a_step_runs_that_step_again_and_no_other(tmp_path):
    die(tmp_path, **UP, die="inside")
    assert serve(tmp_path, **RESUME)["status"]["wf_1"]["state"] == "succeeded"
    assert ledger(tmp_path) == ["a", "b", "b", "c"]


def test_a_step_cut_off_by_a_crash_is_finished_and_then_undone_when_it_was_cancelled_meanwhile(tmp_path):
    die(tmp_path, **UP, die="inside", cancel=True)
    assert serve(tmp_path, **RESUME)["status"]["wf_1"]["state"] == "cancelled"
    assert ledger(tmp_path) == ["a", "b", "b", "undo b", "undo a"]


def test_a_crash_while_undoing_goes_on_undoing(tmp_path):
    die(tmp_path, **UP, die="undo", cancel=True)
    status = serve(tmp_path, **RESUME)["status"]["wf_1"]
    assert (status["state"], status["error"]["type"]) == ("cancelled", "Interrupted")
    assert ledger(tmp_path) == ["a", "b", "undo b", "undo b", "undo a"]


async def test_a_second_server_on_the_folder_is_refused_until_the_first_is_killed(tmp_path):
    first = await asyncio.create_subprocess_exec(*command(tmp_path, **UP, die="hang"))
    try:
        async with asyncio.timeout(60):
            while not (tmp_path / "ledger").exists() or ledger(tmp_path) != ["a", "b"]:
                await asyncio.sleep(0.05)
        second = DbosDurable(Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock"))
        with pytest.raises(Conflict, match=f"pid {first.pid}"):
            second.claim()
        with pytest.raises(Conflict, match=f"pid {first.pid}"):
            await second.launch()
        await second.close()
    finally:
        first.send_signal(signal.SIGKILL)
        await first.wait()
    report = await asyncio.to_thread(serve, tmp_path, **RESUME)
    assert report["status"]["wf_1"]["state"] == "succeeded"
    assert ledger(tmp_path) == ["a", "b", "b", "c"]


def test_a_changed_saga_has_a_new_name_and_the_old_one_waits_for_a_server_that_knows_it(tmp_path):
    die(tmp_path, **UP, die="between")
    new = {"sagas": ["up.v2"], "start": {"wf_2": "up.v2"}, "wait": ["wf_2", "wf_1"], "patience": 2}
    report = serve(tmp_path, **new, noisy=True)["status"]
    assert (report["wf_2"]["result"], report["wf_1"]["state"]) == ({"by": "up.v2"}, "pending")
    report = serve(tmp_path, sagas=["up.v1", "up.v2"], wait=["wf_1"])["status"]
    assert report["wf_1"]["result"] == {"by": "up.v1"}
    assert ledger(tmp_path) == ["a", "b", "up.v2 a", "up.v2 b", "up.v2 c", "c"]


def test_a_saga_that_changed_under_its_old_name_is_parked_not_mixed_up_or_undone(tmp_path):
    die(tmp_path, **UP, die="between")
    report = serve(tmp_path, sagas=["up.v1!"], wait=["wf_1"], patience=2, noisy=True)
    assert report["status"]["wf_1"]["state"] == "pending"
    assert ledger(tmp_path) == ["a", "b"]
    assert serve(tmp_path, **RESUME)["status"]["wf_1"]["state"] == "succeeded"


def test_all_that_is_stored_is_json_under_one_executor_and_version(tmp_path):
    serve(tmp_path, **UP, cancel=True)
    with sqlite3.connect(tmp_path / "durable.db") as database:
        database.row_factory = sqlite3.Row
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [dict(row) for table in tables for row in database.execute(f'SELECT * FROM "{table}"')]
    database.close()
    values = [row[key] for row in rows for key in ("inputs", "output", "error", "message") if row.get(key) is not None]
    assert len(values) >= 8
    for value in values:
        json.loads(value)
    assert {row["serialization"] for row in rows if row.get("serialization")} == {"portable_json"}
    owners = {(row["executor_id"], row["application_version"]) for row in rows if row.get("executor_id")}
    assert owners == {("homeport", "1")}
