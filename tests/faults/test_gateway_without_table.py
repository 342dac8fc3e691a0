# SPDX-License-Identifier: Apache-2.0
"""A journal that came from elsewhere, without the table of agents that a gateway keeps beside it."""

from __future__ import annotations

from pathlib import Path

from gateway_rig import rig, until
from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.model.request import Body, RequestState, StoredRequest


async def test_requests_wait_until_the_server_has_said_which_agents_there_are(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    journal = SqliteJournal(Options(tmp_path / "journal.db"))
    for number, name in enumerate(("echo", "gone")):
        await journal.accept(
            StoredRequest(
                f"req_{number}", "default", name, "POST", "/later", (), Body(), RequestState.PENDING, number + 1
            )
        )
    await journal.close()
    async with rig(tmp_path, told=False) as gateway:

        async def states() -> dict[str, str]:
            return {one["agent"]: one["state"] for one in await gateway.control.requests(namespace="default")}

        assert await states() == {"echo": "pending", "gone": "pending"}
        await gateway.routes(gateway.route())

        async def settled() -> bool:
            return await states() == {"echo": "completed", "gone": "dead"}

        await until(settled)
