# SPDX-License-Identifier: Apache-2.0
"""The server process: the control plane with its API on api.sock (0600, its owner is admin) and on TCP (tokens)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop

from homeport import __version__
from homeport.api import create_app, end_streams, local_door
from homeport.app.plane import ControlPlane
from homeport.app.service import Service
from homeport.errors import HomeportError
from homeport.serve.listen import inherited, ready
from homeport.serve.logs import configure
from homeport.settings import Settings, load

DRAIN_S = 10


class _Door(uvicorn.Server):
    """One listening socket. Signals are handled once for all doors."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(settings: Settings, sockets: dict[str, socket.socket]) -> None:
    """Until SIGTERM or SIGINT. Raises what made a loop fail."""
    plane = ControlPlane(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with plane as service:
        app = create_app(service, version=__version__)
        doors = [
            (_Door(_config(local_door(app) if name == "api_unix" else app, settings)), sock)
            for name, sock in sockets.items()
        ]
        running = [asyncio.create_task(door.serve(sockets=[sock])) for door, sock in doors]
        while not all(door.started for door, _ in doors):  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.005)
        ready()
        idle = asyncio.create_task(_until_idle(service, settings.idle_exit))
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(stop.wait()), idle, plane.failed, *running]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if idle.done():
            os.kill(os.getppid(), signal.SIGTERM)  # the keeper ends all three of us, in order
            await stop.wait()
        end_streams(app)  # followers would keep their door open
        for door, _ in doors:
            door.should_exit = True
        await asyncio.gather(*running)
        for wait in waits:
            wait.cancel()
        if plane.failed.done() and not plane.failed.cancelled() and (error := plane.failed.exception()):
            raise error


async def _until_idle(service: Service, seconds: float) -> None:
    """Returns once there has been no agent for `seconds`; never with 0."""
    if not seconds:
        await asyncio.Event().wait()
    loop = asyncio.get_running_loop()
    since = loop.time()
    while loop.time() - since < seconds:
        if service.supervisor.agents() or service.deployments.under_way():
            since = loop.time()
        await asyncio.sleep(min(0.5, seconds))


def _config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=DRAIN_S,
        log_level=settings.log_level,
    )


def main() -> int:
    try:
        settings = load()
        configure(settings)
        uvloop.run(serve(settings, inherited()))
    except HomeportError as error:
        print(f"error: {error.message}\n\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
