# SPDX-License-Identifier: Apache-2.0
"""What the gateway hears from the control plane, on a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway_rig import Rig, rig
from homeport.app.loops.publish import Publisher
from homeport.model.route import Grant
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
