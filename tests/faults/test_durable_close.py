# SPDX-License-Identifier: Apache-2.0
"""Closing lets go of everything within seconds, and what was under way goes on at the next launch."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.errors import Conflict, Unavailable, UsageError


def make(folder):
    return DbosDurable(Options(database=folder / "durable.db", lock=folder / "durable.lock"))


async def test_a_step_cut_off_by_closing_runs_again_after_the_next_launch(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    before = set(threading.enumerate())
    began, seen = asyncio.Event(), []

    async def hanging(steps, input):
        async def act():
            seen.append("first")
            began.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cut off")
                raise

        return await steps.step("a", act)

    async def finishing(steps, input):
        async def act():
            seen.append("second")
            return {"done": threading.current_thread() is threading.main_thread()}

        return await steps.step("a", act)

    first = make(tmp_path)
    first.register("up.v1", hanging)
    await first.launch()
    await first.start("up.v1", "wf_1", {})
    await asyncio.wait_for(began.wait(), 30)
    async with asyncio.timeout(20):
        await first.close()
        await first.close()
    with pytest.raises(Unavailable):
        await first.status("wf_1")

    second = make(tmp_path)
    second.register("up.v1", finishing)
    await second.launch()
    assert (await second.wait("wf_1", 30)).result == {"done": True}
    await second.close()
    assert seen == ["first", "cut off", "second"]
    assert await asyncio.to_thread(lambda: "the server's own threads still work")
    left = {t for t in threading.enumerate() if t not in before and not t.name.startswith("asyncio")}
    assert not left and caplog.records == []


async def test_a_second_launch_in_one_process_is_refused_and_harms_nothing(tmp_path):
    first, second = make(tmp_path / "one"), make(tmp_path / "two")
    await first.launch()
    with pytest.raises(Conflict, match="already"):
        await second.launch()
    await second.close()
    assert await first.list() == []
    await first.close()
    await second.launch()
    await second.close()


async def test_a_launch_that_fails_lets_go_of_the_lock_and_says_why(tmp_path):
    (tmp_path / "durable.db").write_bytes(b"this is no database, whatever its name" * 100)
    broken = make(tmp_path)
    with pytest.raises(Unavailable, match="not a database"):
        await broken.launch()
    (tmp_path / "durable.db").unlink()
    mended = make(tmp_path)
    await mended.launch()
    await mended.close()


async def test_a_path_that_would_be_read_as_url_options_is_refused(tmp_path):
    odd = DbosDurable(Options(database=tmp_path / "a?mode=memory", lock=tmp_path / "lock"))
    with pytest.raises(UsageError):
        await odd.launch()


def test_nobody_pays_for_dbos_before_it_is_launched():
    code = (
        "import sys, homeport.drivers.durable.dbos as d; sys.exit('dbos' in sys.modules or 'sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0
