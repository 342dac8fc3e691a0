# SPDX-License-Identifier: Apache-2.0
"""The gateway process: data plane on TCP (tokens), control and trusted data plane on gateway.sock (0600)."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from importlib import import_module
from typing import Any, cast

import uvloop

from homeport.errors import HomeportError
from homeport.gateway.service import Gateway
from homeport.gateway.sockets.addresses import listen_tcp, listen_unix
from homeport.gateway.spool import Spool
from homeport.interfaces.extension_points import driver
from homeport.interfaces.secrets import Sealer
from homeport.serve.listen import inherited, ready
from homeport.settings import Paths, Settings, load


class LazySealer:
    """The sealer's library costs 25 ms and 9 MB: it is loaded with the first credential that comes by."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._sealer: Sealer | None = None

    def seal(self, plain: bytes) -> bytes:
        return self._load().seal(plain)

    def unseal(self, sealed: bytes) -> bytes:
        return self._load().unseal(sealed)

    def _load(self) -> Sealer:
        if self._sealer is None:
            self._sealer = cast("Sealer", _made("sealer", "fernet", key_file=self._paths.key))
        return self._sealer


def _made(point: str, name: str, **options: object) -> Any:
    """A driver with its own Options."""
    cls = driver(point, name)
    return cls(import_module(cls.__module__).Options(**options))


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises `Conflict` when another gateway owns the journal or the port."""
    paths = settings.paths
    paths.create()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    given = inherited()
    journal = _made("journal", "sqlite", path=paths.state / "journal.db")
    own_socket = "gateway_unix" not in given
    try:
        gateway = Gateway(
            journal,
            clock=driver("clock", "system")(),
            ids=driver("ids", "ulid")(),
            sealer=LazySealer(paths),
            spool=Spool(paths.state / "spool"),
        )
        tcp: socket.socket = given.get("gateway") or listen_tcp(settings.gateway_listen)
        unix: socket.socket = given.get("gateway_unix") or listen_unix(paths.gateway_socket)
        await gateway.start(tcp=tcp, unix=unix)
        # What is here now stays: the collector need not look at it again, nor at every few hundred new objects.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        ready()
        await stop.wait()
        await gateway.stop()
    finally:
        await journal.close()
        if own_socket:
            paths.gateway_socket.unlink(missing_ok=True)


def main() -> int:
    """Exit 0 after a drain, else the code of the error that is printed."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        uvloop.run(serve(load()))
    except HomeportError as error:
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"{error.message}{hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
