# SPDX-License-Identifier: Apache-2.0
"""A gateway on real sockets with a real journal, a small real agent, and a raw client."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvloop
from cryptography.fernet import Fernet

from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.drivers.secrets.sealed import AesGcm
from homeport.gateway.control_client import GatewayControl
from homeport.gateway.sealing import Keys
from homeport.gateway.service import Gateway
from homeport.gateway.sockets.addresses import listen_tcp, listen_unix
from homeport.gateway.spool import Spool
from homeport.gateway.webhooks.post import Poster
from homeport.model.route import Grant, Route, RoutingTable
from homeport.model.webhook import Webhook
from homeport.sockets import short_path

TOKEN = "hp_for-tests-only"
KEY = Fernet.generate_key()


class WallClock:
    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class CountedIds:
    """Sortable; unique across gateways of one test."""

    _numbers = itertools.count()

    def new(self, prefix: str) -> str:
        return f"{prefix}_{time.time_ns():020d}{next(self._numbers):06d}"


class FernetBytes:
    def __init__(self, key: bytes = KEY) -> None:
        self._fernet = Fernet(key)

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        return self._fernet.decrypt(sealed)


@asynccontextmanager
async def uvloop_thread() -> AsyncIterator[Callable[[Any], Any]]:
    """The gateway runs on uvloop, as it does in production; gives `run(coroutine)`, to be awaited."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield lambda coroutine: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        await asyncio.to_thread(thread.join)
        loop.close()


@dataclass
class Seen:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


class Agent:
    """Answers HTTP/1.1 on a Unix socket; `behave(seen, writer)` may take over by writing and returning True."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[Seen] = []
        self.behave: Callable[[Seen, asyncio.StreamWriter], Any] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._client, sock=listen_unix(self.path), limit=2**22)

    async def stop(self) -> None:
        """As a kill would: the listener and every connection at once."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._server = None
        self.path.unlink(missing_ok=True)
        await asyncio.sleep(0)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (seen := await self._request(reader)) is not None:
                self.seen.append(seen)
                if self.behave is not None:
                    taken = self.behave(seen, writer)
                    if asyncio.iscoroutine(taken):
                        taken = await taken
                    if taken == "bye":
                        writer.transport.abort()
                        return
                    if taken:
                        continue
                body = json.dumps({"n": len(self.seen), "target": seen.target, "bytes": len(seen.body)}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(body))
                writer.write(b"\r\n" if seen.method == "HEAD" else b"\r\n" + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Seen | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return None
        method, target, _ = head[0].split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        return Seen(method, target, headers, await reader.readexactly(length))


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection. Reads exactly one response per `answer`; a cut one raises IncompleteReadError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self, method: str = "GET") -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in head[1:] if line)]
        answer = Answer(status, headers, b"")
        if status == 100:
            return answer
        if method == "HEAD" or status in (204, 304):
            return answer
        if answer.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                answer.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
        else:
            answer.body = await self.reader.readexactly(int(answer.get("content-length") or 0))
        return answer

    def close(self) -> None:
        self.writer.transport.abort()


def request(
    method: str = "GET", path: str = "/agent/echo/", body: bytes = b"", token: str = TOKEN, **headers: str
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"X-Homeport-Token: {token}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass
class Rig:
    home: Path
    agent: Agent
    gateway: Gateway
    control: GatewayControl
    port: int
    revision: int = 1
    clients: list[Client] = field(default_factory=list)

    def route(self, **change: Any) -> Route:
        route = Route("default", "echo", "agt_1", f"unix:{self.agent.path}", "ins_1", ready=True)
        return replace(route, **change)

    async def routes(
        self, *routes: Route, grants: tuple[Grant, ...] | None = None, webhooks: tuple[Webhook, ...] = ()
    ) -> None:
        self.revision += 1
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        held = grants if grants is not None else (Grant(digest, "tok_1", "default", ("*",)),)
        table = RoutingTable(self.revision, routes, held, webhooks=webhooks)
        assert await self.control.put_routes(table) == self.revision

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def connect_unix(self) -> Client:
        with short_path(str(self.home / "g.sock")) as path:
            client = Client(*await asyncio.open_unix_connection(path))
        self.clients.append(client)
        return client

    async def call(self, method: str = "GET", path: str = "/agent/echo/", body: bytes = b"", **headers: str) -> Answer:
        client = await self.connect()
        try:
            client.send(request(method, path, body, **headers))
            return await client.answer(method)
        finally:
            client.close()


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Until it holds (it may be a coroutine function); fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)


@asynccontextmanager
async def rig(
    home: Path,
    *,
    told: bool = True,
    encrypted: bool = False,
    sealer: FernetBytes | None = None,
    poster: Poster | None = None,
) -> AsyncIterator[Rig]:
    """`told`: it has heard from the server already."""
    async with uvloop_thread() as run:
        journal = SqliteJournal(Options(home / "journal.db"))
        sealer = sealer or FernetBytes()
        keys = Keys(journal, sealer, AesGcm, on=encrypted)
        gateway = Gateway(
            journal,
            clock=WallClock(),
            ids=CountedIds(),
            sealer=sealer,
            spool=Spool(home / "spool"),
            keys=keys,
            poster=poster,
        )
        tcp: socket.socket = listen_tcp("127.0.0.1:0")
        port = tcp.getsockname()[1]
        await run(gateway.start(tcp=tcp, unix=listen_unix(home / "g.sock")))
        agent = Agent(home / "agent.sock")
        await agent.start()
        made = Rig(home, agent, gateway, GatewayControl(home / "g.sock"), port)
        if told:
            await made.routes(made.route())
        try:
            yield made
        finally:
            for client in made.clients:
                client.close()
            await agent.stop()
            await run(gateway.stop(grace=1.0))
            await run(journal.close())
