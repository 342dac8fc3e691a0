# SPDX-License-Identifier: Apache-2.0
"""What the gateway hears from the control plane, on a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_rig import Rig, rig
from homeport.app.loops import publish
from homeport.app.loops.publish import Publisher, route_of
from homeport.gateway.control_client import GatewayControl
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.route import Grant
from homeport.model.source import Source, SourceKind
from homeport.model.workload import Workload
from homeport.testing.clocks import ManualClock


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def test_a_server_whose_clock_was_set_back_is_still_heard(house: Rig) -> None:
    """Else agents would be unreachable, and revoked tokens valid, until the clock has caught up."""
    house.revision = 10**18
    await house.routes(house.route())

    async def grants() -> tuple[Grant, ...]:
        return ()

    publisher = Publisher(house.control, ManualClock(), list, grants)
    running = asyncio.create_task(publisher.run())
    try:
        publisher.changed()
        async with asyncio.timeout(20):
            await publisher.settled()
        assert (await house.call()).status == 401, "no token is granted any more"
        assert (await house.control.status())["routes"] == []
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_gateway_that_is_away_holds_nobody_up_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def grants() -> tuple[Grant, ...]:
        return ()

    monkeypatch.setattr(publish, "HEARD_S", 0.2)
    publisher = Publisher(GatewayControl(tmp_path / "nobody.sock"), ManualClock(), list, grants)
    running = asyncio.create_task(publisher.run())
    try:
        publisher.changed()
        assert not await publisher.heard()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("state", "ready", "there"),
    [("running", True, True), ("stopping", False, True), ("unhealthy", False, True), ("stopped", False, False)],
)
def test_an_agent_that_is_asked_to_stop_may_finish_what_it_has(state: str, ready: bool, there: bool) -> None:
    """Its instance stays in the table, so the gateway does not cut what is in flight; nothing new goes there."""
    source = Source(SourceKind.FOLDER, "/src", "d")
    workload = Workload(start=("x",), code="/code", port=8000)
    agent = Agent(
        "agt_a",
        "default",
        "a",
        Desired.STOPPED,
        AgentState(state),
        workload,
        source,
        "m",
        incarnation=1,
        endpoint="tcp:h:1",
    )
    route = route_of(agent)
    assert (route.ready, bool(route.endpoint), bool(route.instance)) == (ready, ready, there)
