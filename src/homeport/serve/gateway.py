# SPDX-License-Identifier: Apache-2.0
"""The gateway process: data plane on TCP (tokens), control and trusted data plane on gateway.sock (0600)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import secrets
import signal
import socket
import sys
import time
from importlib import import_module
from typing import Any, cast

import uvloop

from homeport.errors import HomeportError, Unavailable, UsageError
from homeport.gateway.core.retention import retention
from homeport.gateway.service import LEASE_S, NOTICE_S, OWNER, Gateway
from homeport.gateway.sockets.addresses import listen_tcp, listen_unix
from homeport.gateway.spool import Spool
from homeport.gateway.starting import RECOVERING, WAITING, Starting
from homeport.gateway.webhooks.addresses import Border, networks
from homeport.gateway.webhooks.post import Poster
from homeport.interfaces.extension_points import driver
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Sealer
from homeport.serve import encrypting
from homeport.serve.listen import inherited, ready
from homeport.settings import Paths, Settings, load

OPEN_S = 20.0
"""Seconds that a database which does not answer has to begin to, before we say so and end."""
MOST = 1_000_000
"""Connections that may be asked for."""
log = logging.getLogger(__name__)


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


def owner_of(settings: Settings) -> str:
    """This gateway's name among those on one database, the same in every life: the node's, or this home's."""
    if settings.node:
        return settings.node
    mark = settings.paths.state / "gateway-id"
    if not mark.exists():
        fresh = mark.with_suffix(".new")
        fresh.write_text(secrets.token_hex(6))
        fresh.replace(mark)
    return f"{socket.gethostname()}.{mark.read_text()}"


async def _opened(settings: Settings, stop: asyncio.Event, starting: Starting) -> tuple[Journal, str, Spool]:
    """The journal that the settings name, its owner, and where its large bodies go."""
    paths = settings.paths
    if not settings.database_url:
        return _made("journal", "sqlite", path=paths.state / "journal.db"), OWNER, Spool(paths.state / "spool")
    owner = owner_of(settings)
    journal = _made("journal", "postgres", url=settings.database_url, owner=owner)
    deadline = time.monotonic() + OPEN_S
    starting.reason = WAITING
    try:
        while True:
            try:
                await journal.open()
                starting.reason = RECOVERING
                break
            except Unavailable as error:
                if stop.is_set() or time.monotonic() > deadline:
                    raise
                log.warning("%s", error.message)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1.0)
    except BaseException:
        await journal.close()
        raise
    return journal, owner, Spool(paths.cache / "bodies", journal.shelf)


async def serve(settings: Settings, *, lease_s: float = LEASE_S) -> None:
    """Until SIGTERM or SIGINT. Raises `Conflict` when another gateway owns the journal or the port, `Unavailable`
    when its database does not answer.

    `lease_s`: how long others wait before they take over from a gateway that is gone.
    """
    paths = settings.paths
    kept = retention(
        {name: getattr(settings, f"retention_{name}") for name in ("completed", "failed", "dead", "requests", "bytes")},
        settings.retention_agents,
    )
    most = _connections(settings.gateway_connections)
    encrypting.wanted(settings)
    border = Border(networks(settings.webhook_allow))
    paths.create()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    given = inherited()
    own_socket = "gateway_unix" not in given
    starting = Starting(Spool(paths.state / "spool"))
    if not own_socket:
        starting.begin(tcp=given["gateway"], unix=given["gateway_unix"])
    try:
        journal, owner, spool = await _opened(settings, stop, starting)
    except BaseException:
        await starting.end()
        raise
    sealer = LazySealer(paths)
    try:
        gateway = Gateway(
            journal,
            clock=driver("clock", "system")(),
            ids=driver("ids", "ulid")(),
            sealer=sealer,
            spool=spool,
            owner=owner,
            lease_s=lease_s,
            retention=kept,
            keys=encrypting.keys(settings, journal, sealer),
            connections=most,
            poster=Poster(border),
        )
        tcp: socket.socket = given.get("gateway") or listen_tcp(settings.gateway_listen)
        unix: socket.socket = given.get("gateway_unix") or listen_unix(paths.gateway_socket)
        await gateway.recover()
        await starting.end()
        await gateway.listen(tcp=tcp, unix=unix)
        # What is here now stays: the collector need not look at it again, nor at every few hundred new objects.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        ready()
        await stop.wait()
        await gateway.stop(notice=NOTICE_S)
    finally:
        await starting.end()
        await journal.close()
        if own_socket:
            paths.gateway_socket.unlink(missing_ok=True)


def _connections(wanted: str) -> int:
    """0 where nothing is said. Takes all the open files that this process may have."""
    if wanted and not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= MOST):
        raise UsageError(
            f"HOMEPORT_GATEWAY_CONNECTIONS must be a number from 1 to {MOST}, not {wanted!r}",
            subject="gateway_connections",
        )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems allow fewer than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return int(wanted or 0)


def main() -> int:
    """Exit 0 after a drain, else the code of the error that is printed."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is told by the journal
    try:
        uvloop.run(serve(load()))
    except HomeportError as error:
        hint = f"\n\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"{error.message}{hint}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
