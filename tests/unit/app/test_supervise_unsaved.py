# SPDX-License-Identifier: Apache-2.0
"""The store goes away under supervision: what happened meanwhile is in it soon after it is back, unasked."""

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
from homeport.app.loops.supervise import Supervisor
from homeport.app.runtimes import Runtimes
from homeport.drivers.clocks.system import SystemClock, UlidIds
from homeport.drivers.probes.http import HttpProbe
from homeport.errors import Unavailable
from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.source import Source, SourceKind
from homeport.model.workload import HealthCheck, RestartPolicy, Workload
from homeport.settings import find_paths
from homeport.testing.runtimes import FakeRuntime
from homeport.testing.stores import MemoryStore

RUNNING = (AgentState.RUNNING,)


class Shaky(MemoryStore):
    """`away`: nothing is written. `deaf`: it is, and nobody hears of it."""

    away = deaf = False

    async def put(self, record: object, *, namespace: str, key: str, expected: int | None = None) -> int:
        if self.away:
            raise Unavailable("away", operation="store")
        revision = await super().put(record, namespace=namespace, key=key, expected=expected)
        if self.deaf:
            raise Unavailable("the connection broke", operation="store")
        return revision


AN_AGENT = Agent(
    "agt_a", "default", "a", Desired.RUNNING, AgentState.CREATED,
    Workload(
        ("serve",), "/code", 8000, health=HealthCheck(interval=0.05, start_period=2.0),
        restart=RestartPolicy(max_restarts=5, window=30.0, delay=0.01, max_delay=0.02), stop_grace=0.1,
    ),
    Source(SourceKind.FOLDER, "/src", "d"), "m",
)  # fmt: skip


@pytest.fixture
async def runtime() -> AsyncIterator[FakeRuntime]:
    made = FakeRuntime()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homeport.app.loops.supervise.SAVE_AGAIN_S", 0.05)


@asynccontextmanager
async def server(store: Shaky, runtime: FakeRuntime, folder: Path) -> AsyncIterator[Supervisor]:
    async def nothing_to_lay(agent: Agent) -> None:
        pass

    clock, no_images = SystemClock(), None
    paths = find_paths({"HOMEPORT_HOME": str(folder)})
    given: Any = (Runtimes({"process": lambda: runtime}, no_images), HttpProbe(), None, paths, clock, nothing_to_lay)  # type: ignore[arg-type]
    supervisor = Supervisor(store, Carrier(*given), EventLog(store, clock, UlidIds()), clock, lambda: None)
    task = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(20):
            await supervisor.adopted.wait()
            yield supervisor
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def recorded(store: Shaky, agent: Agent) -> None:
    async with asyncio.timeout(20):
        while (found := await store.get(Agent, "default", "a")) is None or found.record != agent:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["away", "deaf"])
async def test_what_happened_while_it_was_away_is_saved_once_it_is_back(
    runtime: FakeRuntime, tmp_path: Path, how: str
) -> None:
    store = Shaky()
    async with server(store, runtime, tmp_path) as supervisor:
        await supervisor.enlist(AN_AGENT)
        await supervisor.until("default", "a", RUNNING)
        setattr(store, how, True)
        await runtime.end("agt_a-1", Exit(at_us=1, code=1))
        while runtime.starts["agt_a"] < 2:
            await asyncio.sleep(0.01)
        agent = await supervisor.until("default", "a", RUNNING)
        setattr(store, how, False)
        await recorded(store, agent)
        assert agent.incarnation == 2
        await supervisor.want("default", "a", Desired.STOPPED)
        await recorded(store, supervisor.agent("default", "a"))


async def test_what_another_server_wrote_meanwhile_is_not_written_over(runtime: FakeRuntime, tmp_path: Path) -> None:
    store = Shaky()
    async with server(store, runtime, tmp_path) as supervisor:
        await supervisor.enlist(AN_AGENT)
        agent = await supervisor.until("default", "a", RUNNING)
        theirs = replace(agent, incarnation=7, machine="theirs")
        await store.put(theirs, namespace="default", key="a")
        await supervisor.want("default", "a", Desired.STOPPED)
        await recorded(store, theirs)


async def test_an_agent_whose_creation_was_not_heard_of_is_taken_on_by_the_next_attempt(
    runtime: FakeRuntime, tmp_path: Path
) -> None:
    store = Shaky()
    async with server(store, runtime, tmp_path) as supervisor:
        store.deaf = True
        with pytest.raises(Unavailable):
            await supervisor.enlist(AN_AGENT)
        store.deaf = False
        await supervisor.enlist(AN_AGENT)
        await recorded(store, await supervisor.until("default", "a", RUNNING))
        assert runtime.starts == {"agt_a": 1}
