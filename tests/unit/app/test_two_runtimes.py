# SPDX-License-Identifier: Apache-2.0
"""Agents on several runtimes: one that is away holds up none of the others, and is told where it matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeport.app.carry import Carrier
from homeport.app.eventlog import EventLog
from homeport.app.loops import follow
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.drivers.clocks.system import SystemClock, UlidIds
from homeport.drivers.probes.http import HttpProbe
from homeport.errors import Unavailable, UsageError
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.source import Source, SourceKind
from homeport.model.workload import HealthCheck, Workload
from homeport.settings import find_paths
from homeport.testing.runtimes import FakeRuntime
from homeport.testing.stores import MemoryStore

RUNNING = (AgentState.RUNNING,)


def an_agent(name: str, runtime: str) -> Agent:
    workload = Workload(("serve",), "/code", 8000, health=HealthCheck(interval=0.05, start_period=2.0), runtime=runtime)
    source = Source(SourceKind.FOLDER, "/src", "d")
    return Agent(f"agt_{name}", "default", name, Desired.RUNNING, AgentState.CREATED, workload, source, "m")


NO_IMAGES: Any = None


async def nothing_to_lay(agent: Agent) -> None:
    pass


class Rig:
    def __init__(self, folder: Path) -> None:
        self.process, self.engine, self.store, self.folder = FakeRuntime(), FakeRuntime(), MemoryStore(), folder

    @asynccontextmanager
    async def server(self) -> AsyncIterator[Supervisor]:
        clock = SystemClock()
        paths = find_paths({"HOMEPORT_HOME": str(self.folder)})
        drivers: dict[str, Any] = {"process": lambda: self.process, "docker": lambda: self.engine}
        carrier = Carrier(Runtimes(drivers, NO_IMAGES), HttpProbe(), None, paths, clock, nothing_to_lay)  # type: ignore[arg-type, return-value]
        supervisor = Supervisor(self.store, carrier, EventLog(self.store, clock, UlidIds()), clock, lambda: None)
        task = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(20):
                await supervisor.adopted.wait()
                yield supervisor
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.process.close()
    await made.engine.close()


async def test_each_agent_runs_where_its_workload_says(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", "process"))
        await supervisor.enlist(an_agent("b", "docker"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.until("default", "b", RUNNING)
    assert (rig.process.starts, rig.engine.starts) == ({"agt_a": 1}, {"agt_b": 1})


async def test_a_restarted_server_adopts_agents_on_both(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", "process"))
        await supervisor.enlist(an_agent("b", "docker"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.until("default", "b", RUNNING)
    async with rig.server() as supervisor:
        await supervisor.until("default", "a", RUNNING)
        await supervisor.until("default", "b", RUNNING)
        await supervisor.want("default", "b", Desired.STOPPED)
    assert (rig.process.starts, rig.engine.starts) == ({"agt_a": 1}, {"agt_b": 1})


async def test_an_engine_that_is_away_is_waited_for_and_holds_up_nobody_else(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", "process"))
        await supervisor.enlist(an_agent("b", "docker"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.until("default", "b", RUNNING)
    rig.engine.away = True
    async with rig.server() as supervisor:
        await supervisor.until("default", "a", RUNNING)
        await supervisor.want("default", "a", Desired.RUNNING, restart=True)
        assert supervisor.agent("default", "b").name == "b"
        with pytest.raises(Unavailable, match="docker runtime, where 'b' runs, does not answer"):
            await supervisor.want("default", "b", Desired.STOPPED)
        with pytest.raises(Unavailable):
            await supervisor.dismiss("default", "b")
        rig.engine.away = False
        while rig.process.starts["agt_a"] < 2:
            await asyncio.sleep(0.01)
        while True:
            try:
                await supervisor.want("default", "b", Desired.STOPPED)
                break
            except Unavailable:
                await asyncio.sleep(0.05)
    assert rig.engine.starts == {"agt_b": 1}


async def test_what_needs_an_engine_that_is_away_says_so_and_changes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "REACH_S", 0.2)
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("b", "docker"))
        await supervisor.until("default", "b", RUNNING)
    rig.engine.away = True
    async with rig.server() as supervisor:
        for agent in (replace(an_agent("b", "docker"), plan="pln_2"), an_agent("c", "docker")):
            with pytest.raises(Unavailable, match="docker runtime does not answer"):
                await supervisor.enlist(agent)
        assert [(agent.name, agent.plan) for agent in supervisor.agents()] == [("b", "")]
        rig.engine.away = False
        monkeypatch.setattr(follow, "REACH_S", 20.0)
        await supervisor.enlist(an_agent("c", "docker"))
        await supervisor.until("default", "c", RUNNING)


async def test_an_agent_that_moves_is_stopped_where_it_ran_before_it_starts_elsewhere(rig: Rig) -> None:
    async with rig.server() as supervisor:
        await supervisor.enlist(an_agent("a", "process"))
        await supervisor.until("default", "a", RUNNING)
        await supervisor.enlist(replace(an_agent("a", "docker"), plan="pln_2"))
        while not rig.engine.starts:
            await asyncio.sleep(0.01)
        agent = await supervisor.until("default", "a", RUNNING)
        assert agent.workload.runtime == "docker" and agent.incarnation == 2
        async with asyncio.timeout(10):
            while await rig.process.list():
                await asyncio.sleep(0.01)


def test_an_unknown_runtime_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no runtime 'lxc' here"):
        Runtimes({"process": FakeRuntime}, NO_IMAGES).of("lxc")  # type: ignore[arg-type, return-value]
