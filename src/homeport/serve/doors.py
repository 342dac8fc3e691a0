# SPDX-License-Identifier: Apache-2.0
"""The listening sockets of the server, each behind uvicorn, with whatever answers behind them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from homeport import __version__
from homeport.api import create_app, end_streams, give_control, local_door
from homeport.app.control import Control, Readiness
from homeport.settings import Settings

DRAIN_S = 10


class _Door(uvicorn.Server):
    """One listening socket. Signals are handled once for all doors."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Doors:
    """Closed at first: callers queue in the sockets, which the keeper holds, until there is an answer for them."""

    def __init__(self, settings: Settings, sockets: dict[str, socket.socket]) -> None:
        self._settings, self._sockets = settings, sockets
        self._app: FastAPI | None = None
        self._doors: list[_Door] = []
        self.running: list[asyncio.Task[None]] = []
        """A door that ends by itself has failed."""

    async def open(self, control: Control, readiness: Callable[[], Readiness]) -> None:
        """Returns once they answer. Where they are open already, `control` answers from now on."""
        if self._app is not None:
            give_control(self._app, control, readiness)
            return
        self._app = app = create_app(control, version=__version__, readiness=readiness)
        for name, sock in self._sockets.items():
            door = _Door(_config(local_door(app) if name == "api_unix" else app, self._settings))
            self._doors.append(door)
            self.running.append(asyncio.create_task(door.serve(sockets=[sock])))
        while not all(door.started for door in self._doors):  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.005)

    async def close(self, *, now: bool = False) -> None:
        """Ends streams and lets requests finish for some seconds; `now`: cuts them off. Idempotent."""
        if self._app is not None:
            end_streams(self._app)  # followers would keep their door open
        for door in self._doors:
            door.should_exit, door.force_exit = True, now
        await asyncio.gather(*self.running)


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
