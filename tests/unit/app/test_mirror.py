# SPDX-License-Identifier: Apache-2.0
"""What a standby tells its gateway, on a real gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway_rig import rig
from homeport.app.access import Access
from homeport.app.loops.mirror import Mirror
from homeport.drivers.clocks.system import SystemClock, UlidIds
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Workload
from homeport.testing.audits import MemoryAudit
from homeport.testing.policies import RulePolicy
from homeport.testing.stores import MemoryStore


async def test_it_names_where_agents_run_and_that_it_only_repeats(tmp_path: Path) -> None:
    store, clock, ids = MemoryStore(), SystemClock(), UlidIds()
    source = Source(SourceKind.FOLDER, "/src", "d")
    agent = Agent(
        "agt_a", "default", "a", Desired.RUNNING, AgentState.RUNNING, Workload(("x",), "agt_a/code", 8000), source, "m",
        incarnation=1, endpoint="unix:/elsewhere",
    )  # fmt: skip
    await store.put(agent, namespace="default", key="a")
    async with rig(tmp_path) as house:
        mirror = Mirror(
            store,
            lambda: Access(store, RulePolicy.allowing(), MemoryAudit(), clock, ids),
            house.control,
            clock,
            lambda: "there",
        )
        running = asyncio.create_task(mirror.run())
        try:
            async with asyncio.timeout(30):
                while (route := (await house.control.status())["routes"][0])["agent"] != "a":
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert (route["ready"], route["endpoint"]) == (False, "") and "it is kept by there" in route["reason"]
        assert house.gateway.routes.by_key and not house.gateway.routes.certain
