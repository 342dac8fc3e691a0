# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL goes away under durable steps: callers are told, nothing is taken for failed, all goes on afterwards."""

from __future__ import annotations

import asyncio

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.drivers.durable.dbos.engine import as_ours
from homeport.errors import StorageFull, Unavailable
from homeport.interfaces.durable import WorkflowState

LONG = 60


@pytest.fixture
async def durable(tmp_path, database, postgres, monkeypatch):
    monkeypatch.setattr("homeport.drivers.durable.dbos.again.PAUSE", 0.3)
    durable = DbosDurable(Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock", url=database))
    yield durable
    if postgres.runs():
        postgres.resume()
    await durable.close()


@pytest.fixture(autouse=True)
def started_again(postgres):
    """The server is shared with other tests of this worker."""
    yield
    if postgres.runs():
        postgres.resume()
    else:
        postgres.start()


def working(ledger, *, at=None):
    """A saga of three steps; `at` is what happens to the world inside the second one, once."""

    async def saga(steps, input):
        async def act(name):
            ledger.append(name)
            if at is not None and ledger.count(name) == 1 and name == "b":
                await asyncio.to_thread(at)
            return {"did": name}

        async def undo(result):
            ledger.append(f"undo {result['did']}")

        for name in "abc":
            await steps.step(name, lambda: act(name), undo=undo)  # noqa: B023
        return {"done": True}

    return saga


async def test_while_the_server_is_away_every_question_says_so_and_leaves_nothing(durable, postgres):
    durable.register("up.v1", working([]))
    await durable.launch()
    postgres.stop()
    questions = (
        durable.start("up.v1", "wf_1", {}), durable.status("wf_1"), durable.list(), durable.cancel("wf_1"),
        durable.send("wf_1", "t", {}), durable.prune(0), durable.wait("wf_1", 0),
    )  # fmt: skip
    for question in questions:
        with pytest.raises(Unavailable, match="PostgreSQL does not answer") as told:
            await asyncio.wait_for(question, LONG)
        assert "database server" in told.value.hint
    postgres.start()
    assert await durable.status("wf_1") is None
    await durable.start("up.v1", "wf_1", {})
    assert (await durable.wait("wf_1", LONG)).state is WorkflowState.SUCCEEDED


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_a_step_whose_result_found_no_server_runs_again_and_nothing_is_undone(durable, postgres, caplog, how):
    ledger = []
    durable.register("up.v1", working(ledger, at=getattr(postgres, how)))
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    waiting = asyncio.create_task(durable.wait("wf_1"))  # begun before, it outlives the outage
    async with asyncio.timeout(LONG):
        while "wf_1 is parked" not in caplog.text:
            await asyncio.sleep(0.02)
    with pytest.raises(Unavailable):
        await durable.status("wf_1")
    postgres.start()
    assert (await asyncio.wait_for(waiting, LONG)).result == {"done": True}
    assert list(dict.fromkeys(ledger)) == ["a", "b", "c"]
    assert ledger.count("a") == ledger.count("c") == 1 and ledger.count("b") == 2


async def test_a_server_that_restarts_within_a_step_costs_nothing_at_all(durable, postgres):
    ledger = []

    def restart():
        postgres.kill()
        postgres.start()

    durable.register("up.v1", working(ledger, at=restart))
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    assert (await durable.wait("wf_1", LONG)).result == {"done": True}
    assert ledger == ["a", "b", "c"]


async def test_an_end_that_could_not_be_written_is_written_later(durable, database, postgres):
    """Every record was made but the last, which is not a step and which DBOS would not try again."""
    name = database.partition("?")[0].rpartition("/")[2]
    ledger = []

    def refuse():
        postgres.query(
            name,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'shutting down' USING ERRCODE = '57P03'; END $$; "
            "CREATE TRIGGER refuse BEFORE UPDATE ON dbos.workflow_status FOR EACH ROW "
            "WHEN (NEW.status IN ('SUCCESS', 'ERROR')) EXECUTE FUNCTION refuse()",
        )

    durable.register("up.v1", working(ledger, at=refuse))
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    assert (await durable.wait("wf_1", 1.5)).state is WorkflowState.PENDING
    assert ledger == ["a", "b", "c"]
    postgres.query(name, "DROP TRIGGER refuse ON dbos.workflow_status")
    assert (await durable.wait("wf_1", LONG)).result == {"done": True}
    assert ledger == ["a", "b", "c"]


async def test_a_message_sent_after_the_outage_reaches_a_saga_that_waited_through_it(durable, postgres):
    async def saga(steps, input):
        return await steps.receive("approval", 3600) or {}

    durable.register("up.v1", saga)
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    assert (await durable.wait("wf_1", 0.5)).state is WorkflowState.PENDING
    postgres.kill()
    with pytest.raises(Unavailable):
        await durable.send("wf_1", "approval", {"n": 1})
    postgres.start()
    await durable.send("wf_1", "approval", {"n": 2})
    assert (await durable.wait("wf_1", LONG)).result == {"n": 2}


async def test_a_server_that_hangs_is_given_up_and_found_again(durable, postgres, monkeypatch):
    monkeypatch.setattr("homeport.drivers.postgresql.ANSWER_S", 1.0)
    monkeypatch.setattr("homeport.drivers.postgresql.CONNECT_S", 2)
    ledger = []
    durable.register("up.v1", working(ledger, at=postgres.pause))
    await durable.launch()
    await durable.start("up.v1", "wf_1", {})
    async with asyncio.timeout(LONG):
        while "b" not in ledger:
            await asyncio.sleep(0.02)
    with pytest.raises(Unavailable):
        async with asyncio.timeout(LONG):
            while True:  # what was asked before the pause may still be answered
                await durable.status("wf_1")
    postgres.resume()
    assert (await durable.wait("wf_1", LONG)).result == {"done": True}
    assert "undo a" not in ledger


async def test_closing_does_not_wait_for_a_server_that_hangs(durable, postgres, monkeypatch):
    monkeypatch.setattr("homeport.drivers.postgresql.ANSWER_S", 1.0)
    monkeypatch.setattr("homeport.drivers.postgresql.CONNECT_S", 2)
    durable.register("up.v1", working([]))
    await durable.launch()
    postgres.pause()
    async with asyncio.timeout(LONG):
        await durable.close()


async def test_a_launch_without_a_server_says_so_and_the_next_one_succeeds(durable, postgres):
    durable.register("up.v1", working([]))
    postgres.stop()
    with pytest.raises(Unavailable, match="PostgreSQL does not answer"):
        await asyncio.wait_for(durable.launch(), LONG)
    postgres.start()
    await durable.launch()
    assert await durable.list() == []


async def test_no_password_is_in_an_error(tmp_path):
    url = "postgresql://somebody:hunter2@127.0.0.1:1/homeport"
    durable = DbosDurable(Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock", url=url))
    with pytest.raises(Unavailable) as told:
        await asyncio.wait_for(durable.launch(), LONG)
    assert "hunter2" not in repr(told.value.to_dict()) + repr(told.value.__cause__)


def test_a_full_disk_of_the_server_is_told_from_other_troubles():
    class Full(Exception):
        sqlstate = "53100"

    class Wrapped(Exception):
        orig = Full()

    assert isinstance(as_ours(Wrapped(), "durable"), StorageFull)
