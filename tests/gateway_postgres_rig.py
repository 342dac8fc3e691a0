# SPDX-License-Identifier: Apache-2.0
"""Gateway processes on one PostgreSQL, an agent that counts what it does, and callers that note what they are told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway_rig import Agent, Answer, Client, Seen, request, until
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.model.route import Route, RoutingTable
from homeport.sockets import short_path
from homeport.testing.servers.postgres import PostgresServer

PATIENCE_S, STALL_S, LEASE_S = 1.0, 2.0, 2.0
_PROGRAM = f"""
import sys
import homeport.drivers.journals.postgres.writer as writer
import homeport.serve.gateway as gateway
writer.PATIENCE_S, writer.STALL_S, gateway.OPEN_S = {PATIENCE_S}, {STALL_S}, 2.0
serve = gateway.serve
gateway.serve = lambda settings: serve(settings, lease_s=float(sys.argv[1]))
sys.exit(gateway.main())
"""
"""The gateway as it is, in more of a hurry."""
FINISHED = {"completed", "dead", "failed"}


class PgGateway:
    """A gateway process with a home of its own, on the database `url`; restarted at will."""

    def __init__(self, home: Path, url: str, node: str, lease_s: float = LEASE_S) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.url, self.node, self.lease_s = home, url, node, lease_s
        self.environ: dict[str, str] = {}
        self.socket = home / "run" / "gateway.sock"
        self.control = GatewayControl(self.socket, timeout=60)
        self.child: subprocess.Popen[bytes] | None = None
        self.log = home / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{probe.getsockname()[1]}"

    def spawn(self) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HOMEPORT_")}
        environ |= {"HOMEPORT_HOME": str(self.home), "HOMEPORT_GATEWAY_LISTEN": self.listen}
        environ |= {"HOMEPORT_DATABASE_URL": self.url, "HOMEPORT_NODE": self.node} | self.environ
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(self.lease_s)], env=environ, stdin=subprocess.DEVNULL, stderr=log
            )

    async def start(self) -> None:
        self.spawn()
        await until(self.answers, 60)

    async def answers(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, f"the gateway ended by itself: {self.log.read_text()[-2000:]}"
        try:
            return bool(await self.control.status())
        except Unavailable:
            return False

    async def end(self, number: int = signal.SIGKILL) -> int:
        assert self.child is not None
        if self.child.poll() is None:
            self.child.send_signal(number)
        return await asyncio.to_thread(self.child.wait, 60)

    async def connect(self) -> Client:
        with short_path(str(self.socket)) as path:
            return Client(*await asyncio.open_unix_connection(path))

    async def call(self, method: str = "GET", path: str = "/agent/echo/", body: bytes = b"", **headers: str) -> Answer:
        client = await self.connect()
        try:
            client.send(request(method, path, body, token="", **headers))
            return await client.answer(method)
        finally:
            client.close()

    async def outside(self, path: str) -> Answer:
        """On the TCP listener, without a token."""
        client = Client(*await asyncio.open_connection(*self.listen.split(":")))
        try:
            client.send(request(path=path, token=""))
            return await client.answer()
        finally:
            client.close()

    async def journal(self) -> dict[str, Any]:
        """What the status says of it."""
        return dict((await self.control.status())["journal"])

    async def entries(self) -> dict[str, dict[str, Any]]:
        """All requests of the journal, by target."""
        found: dict[str, dict[str, Any]] = {}
        after = ""
        while page := await self.control.requests(limit=1000, after=after):
            found |= {entry["target"]: entry for entry in page}
            after = page[-1]["id"]
        return found

    async def settled(self) -> bool:
        counts = (await self.control.status())["requests"]
        return bool(counts) and not counts["pending"] and not counts["in_flight"]


class Workshop:
    """What the agent did, and how often. Every tenth request takes a second."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        agent.behave = self.behave
        self.done: Counter[str] = Counter()

    async def behave(self, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        self.done[seen.target] += 1
        await asyncio.sleep(1.0 if self.done.total() % 10 == 0 else 0.005)
        body = seen.target.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True


class Callers:
    """Send request after request, never one twice, each to the gateway that answers; `told` is what they heard."""

    def __init__(self, *gateways: PgGateway, method: str = "POST") -> None:
        self.told: dict[str, int] = {}
        self.lost: set[str] = set()
        self.answers: dict[str, Answer] = {}
        self._gateways, self._method = gateways, method
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, n: int) -> None:
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(n)]

    async def end(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    def heard(self, status: int) -> int:
        return sum(told == status for told in self.told.values())

    async def _call(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            turn += 1
            name = f"/{number}-{turn}"
            gateway = self._gateways[(number + turn) % len(self._gateways)]
            try:
                answer = await gateway.call(self._method, f"/agent/echo{name}", b"x")
            except (OSError, EOFError):
                self.lost.add(name)
                await asyncio.sleep(0.05)
                continue
            self.told[name], self.answers[name] = answer.status, answer
            if answer.status == 503:
                await asyncio.sleep(0.05)


def route_of(agent: Agent, **change: Any) -> Route:
    wanted = {"endpoint": f"unix:{agent.path}", "instance": "ins_1", "ready": True} | change
    return Route("default", "echo", "agt_1", **wanted)


@asynccontextmanager
async def several(
    folder: Path, server: PostgresServer, names: tuple[str, ...] = ("one",), **route: Any
) -> AsyncIterator[tuple[list[PgGateway], Agent]]:
    """Gateways on one new database, all with the same route to one agent."""
    url = server.create_database()
    agent = Agent(Path(tempfile.mkdtemp(dir=folder)) / "agent.sock")
    await agent.start()
    gateways = [PgGateway(folder / name, url, name) for name in names]
    try:
        for gateway in gateways:
            await gateway.start()
            await gateway.control.put_routes(RoutingTable(1, (route_of(agent, **route),), ()))
        yield gateways, agent
    finally:
        for gateway in gateways:
            if gateway.child is not None:
                await gateway.end()
        await agent.stop()
