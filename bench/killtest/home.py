# SPDX-License-Identifier: Apache-2.0
"""One home under fire: a gateway with its keeper, three agents that are started again, a killer with a seed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random

from scripts import processes

from bench.gatehouse import GateHouse
from bench.killtest.checker import Verdict, check
from bench.killtest.jobs import AGENTS, route
from bench.killtest.ledger import Ledger, read
from bench.killtest.traffic import PAUSE_S, Callers
from homeport.errors import HomeportError
from homeport.testing.servers.postgres import PostgresServer

PROGRAM = Path(__file__).with_name("agent.py")
RESTART_S = 0.02
_TRAFFIC = (0, 1, 4, 8, 12, 16)
"""Requests of which callers have heard since the gateway was killed last, before anything is killed again: 0 also
kills one that is only starting."""
CALM_S, KILL_S = 120.0, 10.0
"""Until all is settled after the last kill; and for each kill, before the run counts as stuck."""


class Agents:
    """Started, watched, started again; the gateway is told as the control plane would tell it."""

    def __init__(self, folder: Path, house: GateHouse) -> None:
        self._folder, self._house = folder, house
        self._routes = {name: route(name) for name in AGENTS}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._changed = asyncio.Event()
        self.ready = asyncio.Event()
        """The gateway knows all of them."""
        self._lives: Counter[str] = Counter()
        self._tasks = [asyncio.create_task(self._tell()), *(asyncio.create_task(self._keep(name)) for name in AGENTS)]

    def ledger(self, name: str) -> Path:
        return self._folder / f"{name}.agent"

    def kill(self, name: str) -> bool:
        child = self._children.get(name)
        if child is None or child.poll() is not None:
            return False
        child.kill()
        return True

    def tell_again(self) -> None:
        self._changed.set()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for child in self._children.values():
            child.kill()
            child.wait()

    async def _keep(self, name: str) -> None:
        while True:
            self._lives[name] += 1
            path = self._folder / f"{name}.{self._lives[name]}"
            argv = [sys.executable, "-S", "-E", "-s", str(PROGRAM), str(path), str(self.ledger(name)), name]
            child = self._children[name] = started([*argv, *(["keys"] if name == "keys" else [])])
            while child.poll() is None and not await _answers(path):  # noqa: ASYNC110  (of another process)
                await asyncio.sleep(RESTART_S)
            if child.poll() is None:
                self._set(name, f"unix:{path}", f"ins_{self._lives[name]}")
            await _ended(child)
            self._set(name, "", "")
            path.unlink(missing_ok=True)

    def _set(self, name: str, endpoint: str, instance: str) -> None:
        self._routes[name] = route(name, endpoint, instance)
        self._changed.set()

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._house.control.put_routes(self._house.table(*self._routes.values()))
                if all(one.ready for one in self._routes.values()):
                    self.ready.set()
            except HomeportError:
                self._changed.set()  # the gateway is between two lives, or its database is
                await asyncio.sleep(PAUSE_S)


def started(argv: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


async def _ended(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(child.pid)
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    child.wait()


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


class Killer:
    """Kills in the order and at the distances that its generator gives."""

    def __init__(
        self, house: GateHouse, agents: Agents, callers: Callers, server: PostgresServer | None, seed: str, pause: float
    ) -> None:
        self._house, self._agents, self._callers, self._server = house, agents, callers, server
        self._heard = 0
        self._chance, self._pause = Random(seed), pause
        self._starting: asyncio.Task[None] | None = None
        self.kills: Counter[str] = Counter()

    async def run(self, number: int) -> None:
        """`number` processes that ran were killed when it returns. What was not there to be killed does not count."""
        while self.kills.total() < number:
            await asyncio.sleep(self._chance.expovariate(1 / self._pause))
            what = self._chance.choices(("gateway", "agent", "journal"), (5, 6, 1 if self._server else 0))[0]
            name, enough = self._chance.choice(AGENTS), self._chance.choice(_TRAFFIC)
            while self._callers.heard < self._heard + enough:  # noqa: ASYNC110  (a count, not an event)
                await asyncio.sleep(PAUSE_S)
            if await self._kill(what, name):
                self._heard = self._callers.heard if what == "gateway" else self._heard
                self.kills[what] += 1
        if self._starting is not None:
            await self._starting

    async def _kill(self, what: str, name: str) -> bool:
        if what == "agent":
            return self._agents.kill(name)
        if what == "gateway":
            killed = await asyncio.to_thread(self._house.kill_gateway)
            self._agents.tell_again()
            return killed
        assert self._server is not None
        if not self._server.runs() or (self._starting is not None and not self._starting.done()):
            return False
        for pid in (self._server.pid, *processes.below(self._server.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._starting = asyncio.create_task(asyncio.to_thread(self._revive))
        return True

    def _revive(self) -> None:
        assert self._server is not None
        self._server.kill()  # waits for what is dead already
        self._server.start()


class Outcome:
    def __init__(self, verdict: Verdict, kills: Counter[str], cut: int, tunnels: Counter[str]) -> None:
        self.verdict, self.kills, self.cut, self.tunnels = verdict, kills, cut, tunnels


async def run(folder: Path, *, seed: str, kills: int, workers: int, pause: float, postgres: bool) -> Outcome:
    """One home from its first to its last breath, and what the two ledgers say. Ledgers stay in `folder`."""
    folder.mkdir(parents=True)
    with ExitStack() as held:
        server = held.enter_context(PostgresServer()) if postgres else None
        url = server.create_database() if server else ""
        house = await asyncio.to_thread(GateHouse(folder / "home", database_url=url, delay=RESTART_S).__enter__)
        held.callback(house.close)
        agents = Agents(folder, house)
        ledger = Ledger(str(folder / "clients"), sync=False)
        held.callback(ledger.close)
        try:
            async with asyncio.timeout(CALM_S):
                await agents.ready.wait()
            callers = Callers(house.port, ledger, seed, workers)
            killer = Killer(house, agents, callers, server, f"kills of {seed}", pause)
            async with asyncio.timeout(CALM_S + KILL_S * kills):
                await killer.run(kills)
            agents.tell_again()
            await callers.end()
            await callers.settle()
            await _calm(house)
        finally:
            await agents.end()
    done = [line for name in AGENTS for line in read(agents.ledger(name))]
    return Outcome(check(read(folder / "clients"), done), killer.kills, callers.cut, callers.tunnels)


async def _calm(house: GateHouse) -> None:
    """Until nothing is pending or in flight any more, so that no execution is still to come."""
    async with asyncio.timeout(CALM_S):
        while True:
            try:
                status = await house.control.status()
                if not status["pending"] and not status["in_flight"] and status["requests"]:
                    return
            except HomeportError:
                pass  # it is just starting
            await asyncio.sleep(0.1)
