# SPDX-License-Identifier: Apache-2.0
"""The supervisor keeps agents as they are wanted, whatever the runtime does, and over its own restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.app.carry import Carrier
from homeport.app.eventlog import EventLog
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.drivers.clocks.system import SystemClock, UlidIds
from homeport.drivers.probes.http import HttpProbe
from homeport.errors import Conflict, NotFound, StorageFull
from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.event import Event
from homeport.model.source import Source, SourceKind
from homeport.model.workload import HealthCheck, RestartPolicy, Workload
from homeport.settings import find_paths
from homeport.testing.runtimes import FakeRuntime
from homeport.testing.stores import MemoryStore

RUNNING, CRASHED, STOPPED = (AgentState.RUNNING,), (AgentState.CRASHED,), (AgentState.STOPPED,)


class NoSecrets:
    async def get(self, namespace: str, name: str) -> str:
        raise NotFound(f"there is no secret {name}")


def an_agent(name: str, *start: str, **changes: Any) -> Agent:
    workload = Workload(
        start=start or ("serve",),
        code="/code",
        port=8000,
        health=HealthCheck(interval=0.05, timeout=1.0, retries=2, start_period=2.0),
        restart=RestartPolicy(max_restarts=2, window=30.0, delay=0.01, max_delay=0.02),
        stop_grace=0.1,
    )
    source = Source(SourceKind.FOLDER, "/src", "d")
    return Agent(
        f"agt_{name}", "default", name, Desired.RUNNING, AgentState.CREATED, replace(workload, **changes), source, "m"
    )


NO_IMAGES: Any = None


async def nothing_to_lay(agent: Agent) -> None:
    pass


class Rig:
    def __init__(self, folder: Path) -> None:
        self.runtime, self.store, self.changes = FakeRuntime(), MemoryStore(), 0
        self.folder = folder

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Supervisor]:
        """A server's life: what it knew is gone afterwards, the store and the runtime stay."""
        clock = SystemClock()
        paths = find_paths({"HOMEPORT_HOME": str(self.folder)})
        runtimes = Runtimes({"process": lambda: self.runtime}, NO_IMAGES)
        carrier = Carrier(runtimes, HttpProbe(), NoSecrets(), paths, clock, nothing_to_lay)  # type: ignore[arg-type]
        supervisor = Supervisor(self.store, carrier, EventLog(self.store, clock, UlidIds()), clock, self.count)
        task = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(20):
                await supervisor.adopted.wait()
                yield supervisor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def count(self) -> None:
        self.changes += 1

    async def nothing_left(self) -> None:
        """Ended instances are forgotten soon."""
        async with asyncio.timeout(10):
            while await self.runtime.list():
                await asyncio.sleep(0.01)

    async def messages(self, type: str) -> list[str]:
        return [e.record.message for e in await self.store.list(Event) if e.record.type == type]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.runtime.close()


async def test_an_enlisted_agent_becomes_healthy_and_its_record_says_where_it_answers(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        agent = await supervisor.until("default", "a", RUNNING)
        assert agent.endpoint.startswith("tcp:") and agent.instance_id == "agt_a-1"
        stored = await rig.store.get(Agent, "default", "a")
        assert stored is not None and stored.record == agent


async def test_a_killed_agent_is_restarted_and_the_events_say_why(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        await rig.runtime.end("agt_a-1", Exit(at_us=1, signal=9, oom=True))
        while supervisor.agent("default", "a").restarts == 0:
            await asyncio.sleep(0.01)
        agent = await supervisor.until("default", "a", RUNNING)
        assert agent.instance_id == "agt_a-2" and agent.last_exit is not None and agent.last_exit.oom
        assert await rig.messages("agent.exited") == ["killed by the kernel: memory limit reached (OOM)"]


async def test_an_agent_that_only_crashes_is_given_up_with_the_last_cause(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", "exit", "3"))
        agent = await supervisor.until("default", "a", CRASHED)
        assert rig.runtime.starts["agt_a"] == 3
        assert "crash loop: 3 failures" in agent.detail and "exited with status 3" in agent.detail
        await rig.nothing_left()


async def test_a_stop_returns_when_it_is_gone_and_a_start_brings_it_back(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        stopped = await supervisor.want("default", "a", Desired.STOPPED)
        assert stopped.state is AgentState.STOPPED
        await rig.nothing_left()
        await supervisor.want("default", "a", Desired.RUNNING)
        assert (await supervisor.until("default", "a", RUNNING)).incarnation == 2


async def test_a_restarted_server_adopts_what_runs_without_touching_it(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        before = await supervisor.until("default", "a", RUNNING)
    async with rig.server() as supervisor:
        after = await supervisor.until("default", "a", RUNNING)
        assert (after.instance_id, after.endpoint, rig.runtime.starts) == (
            before.instance_id, before.endpoint, {"agt_a": 1},
        )  # fmt: skip


async def test_an_exit_while_no_server_ran_is_seen_with_its_cause(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
    await rig.runtime.end("agt_a-1", Exit(at_us=1, code=7))
    async with rig.server() as supervisor:
        while supervisor.agent("default", "a").incarnation == 1:
            await asyncio.sleep(0.01)
        assert (await supervisor.until("default", "a", RUNNING)).last_exit == Exit(at_us=1, code=7)


async def test_an_instance_that_no_record_claims_is_removed(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
    await rig.store.delete(Agent, "default", "a")
    async with rig.server():
        await rig.nothing_left()


async def test_a_runtime_that_is_away_is_waited_for(rig: Rig) -> None:
    async with rig.server() as supervisor:
        rig.runtime.away = True
        await supervisor.enlist(an_agent("a"))
        while not supervisor.agent("default", "a").incarnation:
            await asyncio.sleep(0.01)
        rig.runtime.away = False
        await supervisor.until("default", "a", RUNNING)
        assert rig.runtime.starts == {"agt_a": 1}


async def test_a_full_disk_does_not_end_supervision(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)

        async def full(*_: object, **__: object) -> int:
            raise StorageFull("the disk is full")

        with monkeypatch.context() as broken:
            broken.setattr(rig.store, "put", full)
            await rig.runtime.end("agt_a-1", Exit(at_us=1, code=1))
            while rig.runtime.starts["agt_a"] < 2:
                await asyncio.sleep(0.01)
            await supervisor.until("default", "a", RUNNING)
        await supervisor.want("default", "a", Desired.STOPPED)
        stored = await rig.store.get(Agent, "default", "a")
        assert stored is not None and stored.record.state is AgentState.STOPPED and stored.record.incarnation == 2


async def test_a_secret_that_is_not_there_is_a_failure_that_names_it(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", secrets=("API_KEY",)))
        agent = await supervisor.until("default", "a", CRASHED)
        assert "there is no secret API_KEY" in agent.detail and rig.runtime.starts == {}


async def test_a_removed_agent_is_gone_from_runtime_and_store(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.dismiss("default", "a")
        assert await rig.store.list(Agent) == []
        await rig.nothing_left()
        with pytest.raises(NotFound, match="no agent 'a'"):
            supervisor.agent("default", "a")


async def test_a_new_workload_replaces_the_running_one(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.enlist(an_agent("a", "print", "new"))
        agent = await supervisor.until("default", "a", RUNNING)
        assert agent.incarnation == 2
        assert [line.text async for line in rig.runtime.logs("agt_a")][-1] == "new"


async def test_every_one_of_many_wishes_at_once_comes_to_an_end(rig: Rig) -> None:
    """A stop that somebody else's start overtakes says so; it does not wait for a stop that nobody wants any more."""

    async def wish(supervisor: Supervisor, number: int) -> None:
        desired = Desired.STOPPED if number % 2 else Desired.RUNNING
        with suppress(Conflict):
            await supervisor.want("default", "a", desired, restart=number % 4 == 0)

    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await asyncio.gather(*(wish(supervisor, number) for number in range(41)))
        assert (await supervisor.until("default", "a", RUNNING)).desired is Desired.RUNNING
        assert (await supervisor.want("default", "a", Desired.STOPPED)).state is AgentState.STOPPED


async def test_a_stop_that_is_overtaken_by_a_start_is_told_so(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        stop = asyncio.create_task(supervisor.want("default", "a", Desired.STOPPED))
        await asyncio.sleep(0)
        await supervisor.want("default", "a", Desired.RUNNING)
        with pytest.raises(Conflict, match="started again"):
            await stop
        await supervisor.until("default", "a", RUNNING)


async def test_a_removal_that_breaks_off_leaves_the_record_and_a_second_one_ends_it(rig: Rig) -> None:
    """The record goes last: what is cleared away before it, a paid machine above all, is found again."""
    cleared: list[str] = []

    async def broken(agent: Agent) -> None:
        with pytest.raises(Conflict, match="being removed"):
            await supervisor.want("default", "a", Desired.RUNNING)
        raise StorageFull("no room")

    async def clear(agent: Agent) -> None:
        cleared.append(agent.id)
        await asyncio.sleep(0)

    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a"))
        await supervisor.until("default", "a", RUNNING)
        with pytest.raises(StorageFull):
            await supervisor.dismiss("default", "a", broken)
        assert await rig.store.get(Agent, "default", "a") is not None
        both = (supervisor.dismiss("default", "a", clear) for _ in range(2))
        ended = await asyncio.gather(*both, return_exceptions=True)
        assert [type(end) for end in ended] == [Agent, NotFound] and cleared == ["agt_a"]
        assert await rig.store.get(Agent, "default", "a") is None
