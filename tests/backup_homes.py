# SPDX-License-Identifier: Apache-2.0
"""A home made by the drivers, without processes, and backups of it: what a server would hold, in a second."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from homeport.app.backups.cutting import Cutter
from homeport.app.backups.databases import FileDatabases
from homeport.app.backups.stillness import Stillness
from homeport.app.backups.taking import Backups, BackupWish
from homeport.app.compose import made, opened
from homeport.app.deployments import SAGA
from homeport.gateway.copying import copy_journal
from homeport.gateway.spool import Spool
from homeport.interfaces.durable import Json, Steps
from homeport.model.agent import Agent, AgentState, Desired
from homeport.model.codec import to_json
from homeport.model.request import Body, RequestState, StoredRequest
from homeport.model.route import Route, RoutingTable
from homeport.model.source import Source, SourceKind
from homeport.model.token import Role, Token
from homeport.model.workload import Delivery, Workload
from homeport.settings import Paths, Settings, find_paths

TOKEN = "hp_first"


class HereGateway:
    """The gateway's own copying, without the socket."""

    def __init__(self, journal: Any, spool: Spool) -> None:
        self._journal, self._spool = journal, spool

    async def snapshot(self, folder: str) -> dict[str, Any]:
        return await copy_journal(self._journal, self._spool, folder)


def agent(name: str, state: AgentState = AgentState.RUNNING, **fields: Any) -> Agent:
    workload = Workload(start=("python", "main.py"), code=f"agt_{name}/code-1", port=8000)
    desired = Desired.STOPPED if state is AgentState.STOPPED else Desired.RUNNING
    source = Source(SourceKind.FOLDER, "/somewhere", "d")
    endpoint = f"unix:/old/{name}.sock" if state is AgentState.RUNNING else ""
    made = Agent(
        f"agt_{name}", "default", name, desired, state, workload, source, "m", incarnation=3, endpoint=endpoint
    )
    return replace(made, **fields)


async def nothing_apart(agents: list[Agent]) -> dict[str, str]:
    return {}


def stored(number: int, of: Agent, state: RequestState, method: str = "POST", **fields: Any) -> StoredRequest:
    leased = state is RequestState.IN_FLIGHT
    return StoredRequest(
        f"req_{number:04d}", of.namespace, of.name, method, "/x", (), Body(b"hello", "", 5), state, number,
        agent_id=of.id, attempts=int(leased), fence=int(leased), lease_owner="gateway" if leased else "",
        lease_until_us=1 << 60 if leased else 0, **fields,
    )  # fmt: skip


class Kept:
    """The drivers of one home, open."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.settings = Settings(paths)
        self.stack = AsyncExitStack()
        self.agents: list[Agent] = []
        self.stillness = Stillness()

    async def open(self) -> None:
        self.paths.create()
        state = self.paths.state
        self.paths.agents.mkdir(exist_ok=True)
        self.store = await opened("store", "sqlite", path=state / "state.db")
        self.sealer = made("sealer", "fernet", key_file=self.paths.key)
        self.secrets = made("secrets", "sealed", key_file=self.paths.key, store=self.store, sealer=self.sealer)
        self.audit = made("audit", "file", path=state / "audit.jsonl", sealer=self.sealer)
        self.journal = made("journal", "sqlite", path=state / "journal.db")
        self.spool = Spool(state / "spool")
        self.durable = made("durable", "dbos", database=state / "durable.db", lock=state / "durable.lock")
        for each in (self.store, self.audit, self.journal, self.durable):
            self.stack.push_async_callback(each.close)

    def backups(self) -> Backups:
        clock = made("clock", "system")
        gateway: Any = HereGateway(self.journal, self.spool)
        databases = FileDatabases(self.paths, self.store, self.durable, gateway)
        cutter = Cutter(self.paths, databases, self.audit, self.stillness, clock)
        return Backups(self.paths, cutter, lambda: self.agents, nothing_apart, clock, made("ids", "ulid"))

    async def write(self, file: Path, wish: BackupWish | None = None) -> Path:
        with file.open("wb") as out:
            async for piece in self.backups().stream(wish or BackupWish()):
                out.write(piece)
        return file

    async def add(self, agent: Agent, *, code: str = "print('hello')") -> None:
        await self.store.put(agent, namespace=agent.namespace, key=agent.name)
        self.agents.append(agent)
        folder = self.paths.agents / agent.id
        if agent.workload.code:
            (folder / "code-1").mkdir(parents=True)
            (folder / "code-1" / "main.py").write_text(code)
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "ledger").write_text(f"of {agent.name}\n")


@asynccontextmanager
async def kept(root: Path) -> AsyncIterator[Kept]:
    home = Kept(find_paths({"HOMEPORT_HOME": str(root)}))
    await home.open()
    try:
        yield home
    finally:
        await home.stack.aclose()


async def furnished(home: Kept) -> None:
    """Agents in several states, requests in several states, a secret, a token, a saga that has ended."""
    running, stopped = agent("one"), agent("two", AgentState.STOPPED)
    again = agent("again", workload=replace(agent("again").workload, delivery=Delivery.AT_LEAST_ONCE))
    for each in (running, stopped, again, agent("three", AgentState.RESTARTING, detail="exited with status 1")):
        await home.add(each)
    await home.secrets.put("default", "API_KEY", "sesame")
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    token = Token("tok_1", "default", Role.ADMIN, digest)
    await home.store.put(token, namespace="default", key=token.id)
    (home.paths.admin_token).write_text(TOKEN + "\n")
    (home.paths.config / "config.toml").write_text('log_level = "debug"\n')
    await home.audit.append(namespace="default", actor="a", action="b", subject="c", allowed=True)
    large = b"x" * 300_000
    (home.spool.folder / "req_0004.request").write_bytes(large)
    for request in (
        stored(1, running, RequestState.PENDING),
        stored(2, running, RequestState.IN_FLIGHT),
        stored(3, again, RequestState.IN_FLIGHT),
        replace(stored(4, running, RequestState.PENDING), body=Body(b"", "req_0004.request", len(large))),
    ):
        await home.journal.accept(request)
    routes = tuple(
        Route("default", a.name, a.id, a.endpoint, a.instance_id, True, delivery=a.workload.delivery)
        for a in (running, again)
    )
    await home.journal.put_note("routes", to_json(RoutingTable(7, routes, ())))

    async def saga(steps: Steps, wish: Json) -> Json:
        return {}

    home.durable.register(SAGA, saga)
    await home.durable.launch()
    await home.durable.start(SAGA, "dep_1", {})
    await home.durable.wait("dep_1", 60)


def fingerprint(root: Path) -> dict[str, str]:
    """Every file below, by content: two that are equal are the same home. Locks are of processes."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.name in ("serve.lock", ".restore") or "/.restore/" in f"/{name}/":
            continue
        content = bytes(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[name] = hashlib.sha256(content).hexdigest() if content else ""
    return found


def make(root: Path, file: Path, wish: BackupWish | None = None) -> Path:
    """A furnished home and a backup of it; for callers without an event loop."""

    async def run() -> None:
        async with kept(root) as home:
            await furnished(home)
            await home.write(file, wish)

    asyncio.run(run())
    return file
