# SPDX-License-Identifier: Apache-2.0
"""Forgetting and exporting that is killed, finds the disk full, or is done by two at once."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway_rig import until
from homeport.drivers.journals.postgres import Options as PostgresOptions
from homeport.drivers.journals.postgres import PostgresJournal
from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.errors import HomeportError, Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.spool import Spool
from homeport.model.request import Body, RequestState
from homeport.testing.conformance.journal import flying, request, response
from homeport.testing.conformance.journal_kept import forget_all
from homeport.testing.servers.postgres import PostgresServer


class Process:
    """The gateway on a home; restarted at will."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.control = GatewayControl(home / "run" / "gateway.sock")
        self.child: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self._spawn()
        await until(self._answers, 60)

    def _spawn(self) -> None:
        environ = dict(os.environ, HOMEPORT_HOME=str(self.home), HOMEPORT_GATEWAY_LISTEN="127.0.0.1:0")
        environ["HOMEPORT_RETENTION_COMPLETED"] = "0"
        self.child = subprocess.Popen(
            [sys.executable, "-m", "homeport.serve.gateway"], env=environ, stdin=subprocess.DEVNULL
        )

    async def end(self) -> None:
        assert self.child is not None
        self.child.kill()
        await asyncio.to_thread(self.child.wait, 60)

    async def _answers(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, "the gateway ended by itself"
        try:
            return bool(await self.control.status())
        except Unavailable:
            return False


NUMBER = 3000
IDS = [f"req_{n:04d}" for n in range(NUMBER)]
LARGE = range(0, NUMBER, 60)


async def _fill(home: Path) -> None:
    """Answered ones, some of them with a large body and a large answer; the last is still pending."""
    state = home / "state"
    state.mkdir(parents=True)
    journal, spool = SqliteJournal(Options(state / "journal.db")), Spool(state / "spool")
    try:
        for n in range(NUMBER):
            body, answer = Body(b"x" * 3000, "", 3000), Body(b"y", "", 1)
            if n in LARGE:
                for name in (f"req_{n:04d}.request", f"req_{n:04d}.1.answer"):
                    spool.path(name).write_bytes(b"z" * 300_000)
                body, answer = Body(b"", f"req_{n:04d}.request", 300_000), Body(b"", f"req_{n:04d}.1.answer", 300_000)
            journal.accept(flying(n, body=body))
            done = journal.complete(f"req_{n:04d}", 1, replace(response(), body=answer))
        assert await done
        await journal.accept(request(NUMBER))
    finally:
        await journal.close()


async def _left(process: Process) -> int:
    return int((await process.control.status())["requests"]["completed"])


@pytest.fixture
async def process(tmp_path: Path):
    await _fill(tmp_path / "home")
    process = Process(tmp_path / "home")
    await process.start()
    yield process
    await process.end()


async def test_a_gateway_killed_while_it_forgets_has_forgotten_each_request_whole_or_not_at_all(
    process: Process,
) -> None:
    forgetting = asyncio.ensure_future(process.control.forget(IDS))
    await until(lambda: _half_gone(process))
    await process.end()
    with pytest.raises(Unavailable):
        await forgetting
    await process.start()
    left = await _left(process)
    assert 0 < left < NUMBER
    entries: list[str] = []
    while page := await process.control.requests(state="completed", after=entries[-1] if entries else "", limit=1000):
        entries += [entry["id"] for entry in page]
    assert len(entries) == left
    names = {entry.name for entry in (process.home / "state" / "spool").iterdir()}
    large = {id for id in entries if int(id[4:]) in LARGE}
    assert names == {name for id in large for name in (f"{id}.request", f"{id}.1.answer")}
    assert await process.control.forget(IDS) == left
    assert list((process.home / "state" / "spool").iterdir()) == []
    assert (await process.control.status())["requests"]["pending"] == 1


async def _half_gone(process: Process) -> bool:
    return await _left(process) < NUMBER * 3 // 4


async def test_on_a_full_disk_nothing_is_half_forgotten_and_later_it_goes_on(process: Process) -> None:
    assert process.child is not None
    _, most = resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (4096, most))
    with pytest.raises(HomeportError, match="no space left"):
        await process.control.forget(IDS)
    left = await _left(process)
    resource.prlimit(process.child.pid, resource.RLIMIT_FSIZE, (most, most))
    assert await process.control.forget(IDS) == left
    assert await _left(process) == 0


async def test_two_gateways_that_forget_at_once_forget_each_request_once(postgres: PostgresServer) -> None:
    url = postgres.create_database()
    journals = [PostgresJournal(PostgresOptions(url, name)) for name in ("one", "other")]
    try:
        for journal in journals:
            await journal.open()
        ids = [f"req_{n:04d}" for n in range(1000)]
        for n in range(1000):
            journals[n % 2].accept(flying(n, body=Body(b"", f"req_{n:04d}.request", 10**6)))
            done = journals[n % 2].complete(f"req_{n:04d}", 1, response())
        assert await done
        await journals[0].accept(request(2000))
        found = await asyncio.gather(*(forget_all(journal, ids) for journal in journals))
        assert sum(each.removed for each in found) == 1000
        bodies = [name for each in found for name in each.bodies]
        assert sorted(bodies) == [f"{id}.request" for id in ids]
        counts = await journals[0].counts()
        assert {state: n for state, n in counts.items() if n} == {RequestState.PENDING: 1}
    finally:
        for journal in journals:
            await journal.close()


_EXPORT = """
import sys, time
from pathlib import Path
from homeport.cli.filing import write_lines
def records():
    for n in range(20_000):
        yield {"n": n}
    print("half", flush=True)
    time.sleep(600)
write_lines(records(), Path(sys.argv[1]))
"""


def test_an_export_that_is_killed_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    child = subprocess.Popen([sys.executable, "-c", _EXPORT, str(file)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
        child.communicate()
    assert not file.exists()
