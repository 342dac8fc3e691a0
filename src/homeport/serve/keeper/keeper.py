# SPDX-License-Identifier: Apache-2.0
"""The keeper put together: locks, sockets, children, instances; and taken down in order."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from homeport.drivers.runtimes.process import kernel
from homeport.drivers.runtimes.process.cgroup import Cgroups
from homeport.drivers.runtimes.process.walls import certificates, write_own_files
from homeport.errors import HomeportError, UsageError
from homeport.serve.first_token import FirstToken
from homeport.serve.keeper.children import Child
from homeport.serve.keeper.control import Control, write_line
from homeport.serve.keeper.instances import Instances
from homeport.serve.keeper.listeners import Listeners, lock
from homeport.serve.keeper.loop import Loop
from homeport.serve.keeper.probe import confinement, find_walls
from homeport.serve.keeper.state import State
from homeport.serve.keeper.sweep import sweep
from homeport.settings import Settings

CHILD_GRACE = {"server": 10.0, "gateway": 20.0}
"""Seconds a child has to end: more than it takes by itself, so that it says how what was under way ended."""


class Keeper:
    """Raises `Conflict` or another `HomeportError` when it cannot serve; then nothing is left behind."""

    def __init__(self, settings: Settings, children: dict[str, list[str]], *, ready_fd: int = -1) -> None:
        self.settings = settings
        self._ready_fd = ready_fd
        self._going_down = False
        self._failure: HomeportError | None = None
        self.started_at = time.time_ns() // 1000
        paths = settings.paths
        paths.create()
        self._locks = [lock(paths.runtime), lock(paths.state)]
        kernel.become_subreaper()
        self.listeners = Listeners(settings)
        own, scratch = paths.runtime / "process", paths.state / "scratch"
        for folder in (own / "sockets", scratch, paths.logs, paths.agents):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_own_files(own)
        self.loop = Loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.on_signal(number, self.shut_down)
        self.loop.on_signal(signal.SIGHUP, lambda: None)
        self._first_token = FirstToken(paths.admin_token)
        self.children = [
            Child(
                name, command, self.listeners.for_child(name), loop=self.loop, logs=paths.logs,
                on_ready=self._child_ready, on_failed=self._child_failed, say=say,
            )
            for name, command in children.items()
        ]  # fmt: skip
        place = paths.state.stat()
        self.cgroups = Cgroups(f"homeport-{place.st_dev:x}-{place.st_ino:x}")
        self.state = State(paths.state / "keeper.json")
        warning = self.state.load()
        if lost := sweep(self.state, own=own, scratch=scratch, logs=paths.logs, cgroups=self.cgroups):
            warning = f"{warning} {len(lost)} instances of a keeper that was killed were ended".strip()
        if warning:
            say(warning)
        for child in self.children:
            child.start()
        self.walls = replace(find_walls(own, scratch, self.cgroups), certificates=certificates(settings.network_env))
        self.instances = Instances(
            self.loop, self.state, self.walls, own=own, scratch=scratch, logs=paths.logs
        )  # fmt: skip
        self.control = Control(
            self.listeners.keeper, loop=self.loop, instances=self.instances, status=self.status,
            confinement=lambda: confinement(self.walls), shutdown=self.shut_down, restart=self.restart,
        )  # fmt: skip

    def run(self) -> int:
        """Serve until told to end. The exit code: 0, or 1 when a child never came up."""
        self.loop.run()
        self.control.close()
        self.listeners.close()
        self.cgroups.remove()
        self.loop.close()
        if self._failure is not None:
            say(f"error: {self._failure.message}\n\nhint: {self._failure.hint}")
        return 1 if self._failure else 0

    def status(self) -> dict[str, Any]:
        processes = {
            child.name: {"pid": child.pid, "restarts": child.restarts, "problem": child.problem}
            for child in self.children
        }
        return {
            "pid": os.getpid(),
            "started_at_us": self.started_at,
            "processes": {"keeper": {"pid": os.getpid(), "restarts": 0}, **processes},
            "listen": {
                "api": address_of(self.listeners.api.getsockname()),
                "gateway": address_of(self.listeners.gateway.getsockname()),
            },
            "instances": len(self.instances.live),
            "storage_problem": self.state.unsaved,
        }

    def restart(self, name: str, then: Callable[[HomeportError | None], None]) -> None:
        """Replace a child by a fresh one; agents and callers' connections that wait are not touched."""
        child = next((child for child in self.children if child.name == name), None)
        if child is None:
            raise UsageError(f"no process {name!r}", operation="restart", hint="gateway, or server")
        child.restart(CHILD_GRACE[name], then)

    def shut_down(self) -> None:
        """Server, gateway, agents, in this order, each with its grace; asked again, nobody is waited for."""
        now = self._going_down
        self._going_down = True
        if now:
            for child in self.children:
                child.kill()
            self.instances.stop_all(self.loop.stop, now=True)
            return
        order = sorted(self.children, key=lambda child: child.name != "server")
        self._stop_children(order, lambda: self.instances.stop_all(self.loop.stop))

    def _stop_children(self, order: list[Child], then: Callable[[], None]) -> None:
        if order:
            order[0].stop(CHILD_GRACE[order[0].name], lambda: self._stop_children(order[1:], then))
        else:
            then()

    def _child_ready(self) -> None:
        if not all(child.was_ready for child in self.children):
            return
        # A log would keep it: then whoever started us shows it instead.
        if sys.stderr.isatty() and (news := self._first_token.news()):
            print(news, file=sys.stderr, flush=True)
        if self._ready_fd >= 0:
            write_line(self._ready_fd, "ready")
            self._ready_fd = -1

    def _child_failed(self, error: HomeportError) -> None:
        self._failure = self._failure or error
        if self._ready_fd >= 0:
            write_line(self._ready_fd, f"failed: {error.message}")
            self._ready_fd = -1
        if not self._going_down:
            self.shut_down()


def address_of(name: tuple[Any, ...]) -> str:
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"


def say(text: str) -> None:
    """For whoever started us, or the log that stands in for them."""
    print(f"keeper: {text}", file=sys.stderr, flush=True)
