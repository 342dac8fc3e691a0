# SPDX-License-Identifier: Apache-2.0
"""The wall clock may be set back; nobody waits until it has caught up."""

from __future__ import annotations

import time
from pathlib import Path

from gateway_rig import rig, until
from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.gateway.control import NOTE
from homeport.model.codec import to_json
from homeport.model.route import Route, RoutingTable
from homeport.testing.conformance.journal import flying

DAY_US = 86_400 * 1_000_000


async def test_a_backoff_written_down_by_a_clock_that_was_ahead_ends_at_once(tmp_path: Path) -> None:
    journal = SqliteJournal(Options(tmp_path / "journal.db"))
    known = RoutingTable(1, (Route("default", "echo", "agt_1"),), ())
    await journal.put_note(NOTE, to_json(known))
    held = flying(1, agent="echo", namespace="default")
    await journal.accept(held)
    later = time.time_ns() // 1000 + DAY_US
    await journal.release(held.id, 1, held.state.PENDING, outcome="refused", not_before_us=later)
    await journal.close()
    async with rig(tmp_path) as house:
        await house.routes(house.route())
        await until(lambda: len(house.agent.seen) == 1)
