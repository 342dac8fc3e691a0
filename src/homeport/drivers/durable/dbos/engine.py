# SPDX-License-Identifier: Apache-2.0
"""DBOS itself: configured, launched and destroyed here, imported only when launched (0.4 s, 43 MB)."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from homeport.drivers.durable.dbos import postgres
from homeport.drivers.durable.dbos.options import Options
from homeport.errors import HomeportError, StorageFull, Unavailable, UsageError
from homeport.interfaces.durable import Json

if TYPE_CHECKING:
    from dbos import DBOS
    from sqlalchemy import Engine

AGAIN_S = 30.0
"""Seconds between two lines of the log which say that the database is still away."""
_pools: list[Engine] = []
"""On PostgreSQL: the one that DBOS was given, and does not close itself."""
Body = Callable[[Json], Awaitable[Json]]


class _Quiet(logging.Filter):
    """DBOS warns of every task that close() cancels; that is how closing works, not a warning. And several of its
    loops say every second, with a traceback each, that the database is away: once in a while is enough."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        if "Asyncio task cancelled" in record.msg:
            return False
        said = record.getMessage()
        if postgres.AWAY not in said:
            return True
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + AGAIN_S
        last = next(line for line in reversed(said.splitlines()) if postgres.AWAY in line)
        record.msg, record.args = f"waits for its database: {last.partition(postgres.AWAY)[2].strip(': ')}", None
        record.exc_info = record.exc_text = None
        return True


def launch(options: Options, bodies: dict[str, Body]) -> type[DBOS]:
    """Register the workflows, then resume what is under way. Blocks; call it on the loop that shall run them."""
    _route_logs()
    if not options.url:
        _teach_old_sqlite()
    import dbos

    for name, body in bodies.items():
        # None: no count of recoveries after which DBOS would give a workflow up for dead.
        dbos.DBOS.workflow(name=name, max_recovery_attempts=None)(body)
    dbos.DBOS(
        config={
            "name": "homeport",
            **_database(options),
            "application_version": options.application_version,
            "executor_id": options.executor_id,
            "serializer": dbos.DBOSPortableJSONSerializer(),
            "max_executor_threads": options.threads,
            "enable_otlp": False,
            "log_level": "WARNING",
            # Looks at the database only while a workflow waits for a message; this is how late it may see one.
            "notification_listener_polling_interval_sec": 0.25,
        }
    )
    dbos.DBOS.launch()
    launched: type[DBOS] = dbos.DBOS
    return launched


def destroy() -> None:
    """Stop DBOS's threads and forget its registrations: both are global to the process."""
    import dbos

    dbos.DBOS.destroy(destroy_registry=True)
    while _pools:
        _pools.pop().dispose()


def as_ours(problem: Exception, operation: str) -> HomeportError:
    """What DBOS or its database raised, in our tree. The text is the database's, about itself, never about values."""
    if isinstance(problem, HomeportError):
        return problem
    cause = getattr(problem, "orig", None) or type(problem).__name__
    if "disk is full" in str(cause) or getattr(cause, "sqlstate", "") == postgres.FULL:
        return StorageFull("no room left to record durable steps", operation=operation, hint="free some disk space")
    return Unavailable(f"the database of durable steps fails: {cause}", operation=operation)


def _teach_old_sqlite() -> None:
    """From Python 3.12 on, DBOS asks SQLite for `unixepoch('subsec')`, which came with SQLite 3.42; a Python built on
    Debian 12 has 3.40, which answers NULL."""
    if sqlite3.sqlite_version_info >= (3, 42):
        return
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _give_subsec):
        event.listen(Engine, "connect", _give_subsec)


def _give_subsec(connection: object, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, lambda what: round(time.time(), 3) if what == "subsec" else None)


def _database(options: Options) -> dict[str, Any]:
    if not options.url:
        return {"system_database_url": _url(options)}
    _pools.append(postgres.engine(options.url, options.threads))
    # Without LISTEN: no thread sits in a connection for ever, and a lost one is noticed where it is used.
    return {"system_database_engine": _pools[-1], "dbos_system_schema": options.schema, "use_listen_notify": False}


def _url(options: Options) -> str:
    path = str(options.database)
    if any(mark in path for mark in "?#%"):
        raise UsageError(f"the path of the database must not contain ?, # or %: {path}", subject=path)
    options.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options.database.touch(mode=0o600, exist_ok=True)
    return f"sqlite:///{path}"


def _route_logs() -> None:
    """To the handlers of the program: DBOS adds its own console handler only where it finds none."""
    logger: Any = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    if not any(isinstance(known, _Quiet) for known in logger.filters):
        logger.addFilter(_Quiet())
