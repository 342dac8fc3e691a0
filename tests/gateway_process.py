# SPDX-License-Identifier: Apache-2.0
"""The gateway as a process of its own, to be killed, starved and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway_rig import Agent, Answer, Client, until
from homeport.errors import Unavailable
from homeport.gateway.control_client import GatewayControl
from homeport.model.route import Route, RoutingTable
from homeport.sockets import short_path


class GatewayProcess:
    """`python -m homeport.serve.gateway` on a state folder. `said` is its stderr."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home, self.environ = home, environ
        self.socket = home / "run" / "gateway.sock"
        self.control = GatewayControl(self.socket)
        self.child: subprocess.Popen[bytes] | None = None
        self.before: Callable[[], object] | None = None
        """Called in the child before it begins."""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  (as long as the process)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def said(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def close(self) -> None:
        self._stderr.close()

    async def start(self) -> None:
        self.spawn()
        await until(self.answers, 60)

    def spawn(self) -> None:
        environ = {**os.environ, "HOMEPORT_HOME": str(self.home), "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{self.port}"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "homeport.serve.gateway"],
            env=environ | self.environ, stdin=subprocess.DEVNULL, stderr=self._stderr,
            preexec_fn=self.before,
        )  # fmt: skip

    async def refuses(self) -> tuple[int, str]:
        """Start it where it must not; its exit code and what it said."""
        self.spawn()
        assert self.child is not None
        return await asyncio.to_thread(self.child.wait, 60), self.said()

    async def answers(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None, self.said()
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
        """By the Unix socket, which needs no token."""
        with short_path(str(self.socket)) as path:
            return Client(*await asyncio.open_unix_connection(path))

    async def call(self, raw: bytes, method: str = "GET") -> Answer:
        client = await self.connect()
        try:
            client.send(raw)
            return await client.answer(method)
        finally:
            client.close()

    async def states(self) -> dict[str, str]:
        """All requests by target."""
        found: dict[str, str] = {}
        after = ""
        while page := await self.control.requests(limit=1000, after=after):
            found |= {entry["target"]: entry["state"] for entry in page}
            after = page[-1]["id"]
        return found


@asynccontextmanager
async def gateway_process(
    folder: Path, home: Path | None = None, environ: dict[str, str] | None = None, **route: Any
) -> AsyncIterator[tuple[GatewayProcess, Agent]]:
    """One with an agent `echo`; its home is in `folder`, or elsewhere."""
    process, agent = GatewayProcess(home or folder / "home", **(environ or {})), Agent(folder / "agent.sock")
    process.home.mkdir(parents=True, exist_ok=True)
    await agent.start()
    try:
        await process.start()
        await process.control.put_routes(RoutingTable(1, (echo(agent, **route),), ()))
        yield process, agent
    finally:
        if process.child is not None:
            await process.end()
        process.close()
        await agent.stop()


def echo(agent: Agent, **change: Any) -> Route:
    values: dict[str, Any] = {"endpoint": f"unix:{agent.path}", "instance": "ins_1", "ready": True, **change}
    return Route("default", "echo", "agt_1", **values)
