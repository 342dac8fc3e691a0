# SPDX-License-Identifier: Apache-2.0
"""The server process: the control plane with its API on api.sock (0600, its owner is admin) and on TCP (tokens).

Of several servers on one database one decides; the others answer as its standbys until they have to take over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import Any, cast

import uvloop

from homeport.app.control import Control
from homeport.app.holding import Holding
from homeport.app.plane import ControlPlane
from homeport.app.service import Service
from homeport.app.standby import Standby, holding_of
from homeport.errors import Conflict, HomeportError
from homeport.serve.doors import Doors
from homeport.serve.listen import inherited, ready
from homeport.serve.logs import configure
from homeport.settings import Settings, load


async def serve(settings: Settings, sockets: dict[str, socket.socket]) -> None:
    """Until SIGTERM or SIGINT. Raises what made a loop fail, or `Conflict` once another server has the claim."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    doors = Doors(settings, sockets)
    try:
        if not settings.database_url:
            await _decide(settings, doors, stop, None)
            return
        holding = holding_of(settings)
        try:
            if await _wait_for_claim(settings, doors, stop, holding):
                await _decide(settings, doors, stop, holding)
        finally:
            await holding.close()
    finally:
        await doors.close()


async def _wait_for_claim(settings: Settings, doors: Doors, stop: asyncio.Event, holding: Holding) -> bool:
    """True once this server is the one; False when it is to end. Callers are answered as soon as it is not at once."""
    standby = Standby(settings, holding)
    held, ended = asyncio.create_task(holding.hold()), asyncio.create_task(stop.wait())
    waiting = asyncio.create_task(holding.must_wait())
    tending = asyncio.create_task(standby.run())
    tasks: list[asyncio.Task[Any]] = [held, ended, waiting, tending]
    try:
        await asyncio.wait([held, ended, waiting], return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and not held.done():
            await doors.open(cast("Control", standby), standby.readiness)
            ready()
            await asyncio.wait([held, ended, tending, *doors.running], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return False
        for task in (tending, *doors.running):
            if task.done():
                await task  # it failed: neither ends by itself
        await held
        return True
    finally:
        await _cancel(*tasks)


async def _decide(settings: Settings, doors: Doors, stop: asyncio.Event, holding: Holding | None) -> None:
    """The control plane, until it is to end."""
    plane = ControlPlane(settings, holding)
    async with plane as service:
        await doors.open(service, plane.readiness)
        ready()
        idle = asyncio.create_task(_until_idle(service, settings.idle_exit))
        stopped = asyncio.create_task(stop.wait())
        waits: list[asyncio.Future[Any]] = [stopped, idle, plane.failed, *doors.running]
        if holding is not None:
            waits.append(holding.lost)
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if idle.done():
            os.kill(os.getppid(), signal.SIGTERM)  # the keeper ends all three of us, in order
            await stop.wait()
        lost = holding is not None and holding.lost.done()
        await doors.close(now=lost)
        await _cancel(idle, stopped)
        if plane.failed.done() and not plane.failed.cancelled() and (error := plane.failed.exception()):
            raise error
        if holding is not None and lost:
            raise Conflict(
                f"the server on {holding.lost.result().me.node} has the control plane now",
                operation="serve", hint="this one is started again, as its standby",
            )  # fmt: skip


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


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
