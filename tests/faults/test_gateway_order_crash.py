# SPDX-License-Identifier: Apache-2.0
"""The gateway is killed while requests of one ordering key are under way: they stay one at a time and in order."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path

from faults.test_gateway_crash import house
from gateway_rig import Seen, request, until


async def test_the_order_of_a_key_outlives_the_gateway(tmp_path: Path) -> None:
    now: list[str] = []
    most = [0]

    async def note(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        now.append(seen.target)
        most[0] = max(most[0], len(now))
        await asyncio.sleep(0)
        now.remove(seen.target)
        return False

    async with house(tmp_path / "home") as (process, agent):
        agent.behave = note
        sent = 0
        for _ in range(3):
            for _ in range(8):
                raw = request("PUT", f"/agent/echo/{sent}", b"x", X_Homeport_Ordering_Key="k", Prefer="respond-async")
                assert (await process.call(raw, "PUT")).status == 202
                sent += 1
            await process.end()
            await process.start()

        async def all_done() -> bool:
            return {one["state"] for one in await process.entries()} == {"completed"}

        await until(all_done, 60)
        assert most == [1]
        assert [target for target, _ in groupby(seen.target for seen in agent.seen)] == [f"/{n}" for n in range(sent)]
