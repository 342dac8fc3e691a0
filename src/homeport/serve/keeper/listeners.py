# SPDX-License-Identifier: Apache-2.0
"""One server per state folder, and the sockets that outlive its other processes."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import ExitStack
from pathlib import Path

from homeport.drivers.runtimes.process.sockets import listen_unix
from homeport.errors import Conflict, HomeportError, UsageError
from homeport.settings import Settings

BACKLOG = 1024


def lock(folder: Path) -> int:
    """Hold `folder` until this process ends. Raises `Conflict` naming the process that has it.

    Also where a restore was killed while it put things in their place.
    """
    path = folder / "serve.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise Conflict(
            f"a server is running on {folder} already (process {owner})",
            operation="serve",
            subject=str(folder),
            hint=f"use it, end it with: kill {owner}, or give this one a HOMEPORT_HOME of its own",
        ) from None
    if (folder / ".restore" / "switching").exists():
        os.close(fd)
        raise Conflict(
            f"a restore was interrupted in {folder}: it is neither the old home nor the new one",
            operation="serve", subject=str(folder), hint="finish it: homeport restore FILE, with the same file",
        )  # fmt: skip
    os.ftruncate(fd, 0)
    os.write(fd, f"{os.getpid()}\n".encode())
    return fd


class Listeners:
    """All or none. TCP addresses come first: they are what may be taken by somebody else."""

    def __init__(self, settings: Settings) -> None:
        paths = settings.paths
        self._unix = (paths.api_socket, paths.gateway_socket, paths.keeper_socket)
        with ExitStack() as undo:
            self.api = undo.enter_context(listen_tcp(settings.api_listen, "API", "--api-listen"))
            self.gateway = undo.enter_context(listen_tcp(settings.gateway_listen, "gateway", "--gateway-listen"))
            self.api_unix, self.gateway_unix, self.keeper = (
                undo.enter_context(listen_unix(path, BACKLOG)) for path in self._unix
            )
            undo.pop_all()

    def for_child(self, name: str) -> dict[str, socket.socket]:
        if name == "gateway":
            return {"gateway": self.gateway, "gateway_unix": self.gateway_unix}
        return {"api": self.api, "api_unix": self.api_unix}

    def close(self) -> None:
        for listener in (self.api, self.gateway, self.api_unix, self.gateway_unix, self.keeper):
            listener.close()
        for path in self._unix:
            path.unlink(missing_ok=True)


def listen_tcp(address: str, what: str, flag: str) -> socket.socket:
    """`host:port`, `[v6]:port`; port 0 takes a free one. Raises `UsageError`, or `HomeportError` when it is taken."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{address!r} is not host:port", operation="serve", subject=flag)
    try:
        family, kind, _, _, target = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"{address!r}: {error}", operation="serve", subject=flag) from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        raise HomeportError(
            f"the {what} address {address} is already in use" if taken else f"cannot listen on {address}: {error}",
            operation="serve",
            subject=address,
            hint=f"end what holds it (ss -ltnp 'sport = :{port}' names it), or choose another with {flag}",
        ) from None
    listener.setblocking(False)
    return listener
