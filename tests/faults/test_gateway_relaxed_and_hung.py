# SPDX-License-Identifier: Apache-2.0
"""Relaxed durability on a disk that hangs: what is answered and not kept has a bound."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from gateway_rig import Client, Rig, request, rig, until
from homeport.gateway.exchange import MOST_UNSTORED
from homeport.model.workload import DeliveryPolicy, Durability

RELAXED = DeliveryPolicy(durability=Durability.RELAXED)
EXTRA = 40


def hang(house: Rig, until_then: threading.Event) -> None:
    """The thread that commits does nothing else from now on."""
    began = threading.Event()

    def held(_: object) -> None:
        began.set()
        until_then.wait()

    loop = house.gateway._tickers[0].get_loop()
    loop.call_soon_threadsafe(lambda: house.gateway._tools.journal._writer.submit_aside(held))  # type: ignore[attr-defined]
    began.wait()


async def test_on_a_disk_that_hangs_no_more_than_so_many_are_answered_before_they_are_kept(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        await house.routes(house.route(policy=RELAXED, concurrency=64))
        client, answered, goes_on = await house.connect(), [0], threading.Event()
        client.send(request("POST", "/agent/echo/first", b"x"))
        assert (await client.answer()).status == 200
        await until(lambda: kept(house, 1))
        hang(house, goes_on)
        try:
            asking = asyncio.ensure_future(ask(client, answered))
            await until(lambda: answered[0] == MOST_UNSTORED)
            await asyncio.sleep(0.3)
            assert answered[0] == MOST_UNSTORED
        finally:
            goes_on.set()
        await asking
        await until(lambda: kept(house, MOST_UNSTORED + EXTRA + 1))


async def kept(house: Rig, amount: int) -> bool:
    return [one["state"] for one in await house.control.requests(limit=1000)] == ["completed"] * amount


async def ask(client: Client, answered: list[int]) -> None:
    for n in range(MOST_UNSTORED + EXTRA):
        client.send(request("POST", f"/agent/echo/{n}", b"x"))
        assert (await client.answer()).status == 200
        answered[0] += 1
