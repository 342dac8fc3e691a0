# SPDX-License-Identifier: Apache-2.0
"""A database that cannot grow: new work is refused, work under way waits and then goes on."""

from __future__ import annotations

import resource
import signal
import sqlite3
from contextlib import ExitStack, closing, contextmanager

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.drivers.durable.dbos.engine import as_ours
from homeport.errors import StorageFull, Unavailable
from homeport.interfaces.durable import WorkflowState


@contextmanager
def no_file_may_grow_beyond(size: int):
    """A full disk, as far as one process can have one: the kernel refuses writes past `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture
async def durable(tmp_path, monkeypatch):
    monkeypatch.setattr("homeport.drivers.durable.dbos.again.PAUSE", 0.5)
    durable = DbosDurable(Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock"))
    yield durable
    await durable.close()


async def test_work_that_cannot_be_recorded_is_refused_and_leaves_nothing(durable, tmp_path):
    async def saga(steps, input):
        return {}

    durable.register("up.v1", saga)
    await durable.launch()
    with no_file_may_grow_beyond((tmp_path / "durable.db").stat().st_size), pytest.raises(Unavailable):
        await durable.start("up.v1", "wf_1", {"large": "x" * 500_000})
    assert await durable.status("wf_1") is None
    await durable.start("up.v1", "wf_1", {})
    assert (await durable.wait("wf_1", 60)).state is WorkflowState.SUCCEEDED


async def test_a_step_whose_record_finds_no_room_runs_again_once_there_is_some_and_nothing_is_undone(durable, tmp_path):
    seen, room = [], ExitStack()

    async def saga(steps, input):
        async def act():
            seen.append("a")
            if len(seen) == 1:
                room.enter_context(no_file_may_grow_beyond((tmp_path / "durable.db").stat().st_size))
            return {"large": "x" * 500_000}

        async def undo(result):
            seen.append("undo a")

        await steps.step("a", act, undo=undo)
        return {"done": True}

    durable.register("up.v1", saga)
    await durable.launch()
    with room:
        await durable.start("up.v1", "wf_1", {})
        assert (await durable.wait("wf_1", 1)).state is WorkflowState.PENDING
    assert (await durable.wait("wf_1", 60)).result == {"done": True}
    assert set(seen) == {"a"} and len(seen) >= 2


async def test_an_outcome_whose_last_write_found_no_room_is_still_known(durable, tmp_path):
    async def saga(steps, input):
        return {"done": True}

    durable.register("up.v1", saga)
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    before = await durable.wait("wf_1", 60)
    # What DBOS leaves behind when the result does not fit any more and the shorter error just does.
    with closing(sqlite3.connect(tmp_path / "durable.db")) as database, database:
        database.execute("UPDATE workflow_status SET status = 'ERROR', output = NULL")
        database.execute("DELETE FROM workflow_output")
    assert await durable.status("wf_1") == before
    assert await durable.list() == [before]
    assert before.result == {"done": True}


def test_a_full_disk_is_told_from_other_troubles_of_the_database():
    class Full(Exception):
        orig = "database or disk is full"

    assert isinstance(as_ours(Full(), "durable"), StorageFull)
    assert isinstance(as_ours(ValueError("x"), "durable"), Unavailable)
