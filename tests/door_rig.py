# SPDX-License-Identifier: Apache-2.0
"""The real API on real sockets, over a control plane in memory: for tests of API, client and command line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from homeport.api import create_app, end_streams, local_door
from homeport.app.control import Actor
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.money import FREE, Money
from homeport.model.plan import Candidate, Offer, Plan
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements
from homeport.model.source import Source, SourceKind
from homeport.model.token import Role
from homeport.model.workload import Delivery
from homeport.settings import Settings, find_paths
from homeport.testing.control import MemoryControl

T = TypeVar("T")
Run = Callable[..., tuple[int, str, str]]
"""A command line as arguments, to (exit code, stdout, stderr)."""

ADMIN = Actor("test", "default", Role.ADMIN)


class Doors:
    """An API server in a thread of its own: on `settings.paths.api_socket`, and on loopback TCP."""

    def __init__(self, home: Path, control: MemoryControl) -> None:
        self.control = control
        self.settings = Settings(find_paths({"HOMEPORT_HOME": str(home)}))
        self.settings.paths.create()
        self.url = ""
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Doors:
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server did not end"

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def remote(self, token: str) -> Settings:
        """Settings of somebody elsewhere."""
        return replace(self.settings, url=self.url, token=token)

    def token(self, role: Role = Role.ADMIN, namespace: str = "default") -> str:
        return self.do(self.control.create_token(Actor("test", namespace, Role.ADMIN), role=role))[1]

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = create_app(self.control, version="9.9")
        tcp = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
        unix = bind_unix(self.settings.paths.api_socket)
        doors = [(self._server(app), tcp), (self._server(local_door(app)), unix)]
        running = [asyncio.create_task(door.serve(sockets=[sock])) for door, sock in doors]
        while not all(door.started for door, _ in doors):
            await asyncio.sleep(0.005)
        self._up.set()
        await self._stop.wait()
        end_streams(app)
        for door, _ in doors:
            door.should_exit = True
        await asyncio.gather(*running)
        for sock in (tcp, unix):
            sock.close()

    @staticmethod
    def _server(app: Any) -> uvicorn.Server:
        return uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=20)
        )


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket; its path may be longer than the kernel takes."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
    sock.listen()
    return sock


@contextlib.contextmanager
def opened_doors(home: Path, **control: Any) -> Iterator[Doors]:
    with Doors(home, MemoryControl(**control)) as doors:
        yield doors


def a_plan(name: str = "notes", *, price: int = 0, quote: str = "", commit: str = "c" * 40) -> Plan:
    """A plan with everything in it; `price` in millionths of a dollar for the whole time."""
    evidence = (Evidence("homeport.yaml", 2, "manifest.start", 1.0, quote),)
    offer = Offer("local", "local", "this machine", 2, 4 << 30, 10 << 30, hourly=Money(price))
    dear = Offer("linode", "fr-par", "g6-standard-2", 2, 4 << 30, 80 << 30, hourly=Money(36_000))
    return Plan(
        id=f"pln_{name}",
        name=name,
        source=Source(SourceKind.GIT, "https://example.org/notes.git", "d" * 64, commit=commit),
        requirements=Requirements(
            ecosystem=Inferred(Ecosystem.PYTHON, Origin.DEPENDENCY),
            start=Inferred(("python", "app.py"), Origin.MANIFEST, evidence),
            runtime_version=None,
            port=Inferred(8000, Origin.CODE, (Evidence("app.py", 12, "python.port", 0.8),)),
            health_path=Inferred("/health", Origin.MANIFEST, evidence),
            memory_bytes=Inferred(512 << 20, Origin.DEFAULT),
            gpu=Inferred(GpuNeed.NO, Origin.DEFAULT),
            delivery=Inferred(Delivery.EXACT_OR_DEAD, Origin.DEFAULT),
            honours_keys=Inferred(False, Origin.DEFAULT),
        ),
        chosen=offer,
        hours=0.0,
        total=Money(price),
        candidates=(Candidate(offer, FREE), Candidate(dear, Money(36_000), "it costs money and this machine does not")),
        steps=("write the files", "start it"),
    )
