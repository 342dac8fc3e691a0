# SPDX-License-Identifier: Apache-2.0
"""Clients that ask and ask, and read nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway_rig import Client, Rig, Seen, request, rig, until

LARGE = b"z" * 200_000
MOST = 200


async def test_who_reads_no_answers_is_answered_no_more_until_it_does(tmp_path: Path) -> None:
    async with rig(tmp_path) as house:
        house.agent.behave = large
        for name in ("short", "with-a-wait"):  # that of callbacks, and that of `Prefer`
            client = await house.connect()
            headers = {} if name == "short" else {"Prefer": "wait=10"}
            asking = asyncio.ensure_future(ask(client, name, headers))
            await until(lambda: settled(house))
            assert len(house.agent.seen) < MOST / 2
            for _ in range(MOST):
                assert len((await client.answer()).body) == len(LARGE)
            await asking
            assert [seen.target for seen in house.agent.seen] == [f"/{name}-{n}" for n in range(MOST)]
            house.agent.seen.clear()
            client.close()


async def ask(client: Client, name: str, headers: dict[str, str]) -> None:
    for n in range(MOST):
        client.send(request(path=f"/agent/echo/{name}-{n}", **headers))
        await client.writer.drain()


async def settled(house: Rig) -> bool:
    """Whether no request came to the agent for a while, which there were some of."""
    before = len(house.agent.seen)
    await asyncio.sleep(0.5)
    return 0 < before == len(house.agent.seen)


async def large(seen: Seen, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
    await writer.drain()
    return True
