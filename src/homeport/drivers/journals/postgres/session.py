# SPDX-License-Identifier: Apache-2.0
"""A connection that is opened when it is needed, and errors in our words. No word of ours holds a password."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import conninfo, errors

from homeport.drivers.journals.postgres.schema import SCHEMA
from homeport.errors import HomeportError, StorageFull, Unavailable, UsageError

CONNECT_S = 5
_GIVEN = {
    "connect_timeout": CONNECT_S,
    "application_name": "homeport gateway",
    # A machine that is gone says nothing: ask every few seconds whether it is there.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SETTINGS = (
    ("search_path", SCHEMA),
    # Ours may end without a word too; then nothing of ours may stay locked for long.
    *(("tcp_keepalives_idle", "10"), ("tcp_keepalives_interval", "5"), ("tcp_keepalives_count", "3")),
    *(("idle_in_transaction_session_timeout", "30000"), ("client_min_messages", "warning")),
)
_LOST_STATES = ("08", "57P", "28", "53300", "25006", "3D000")
"""SQLSTATEs: connection, shutdown, not let in, too many, read-only (a standby since), database gone."""
Connection = psycopg.Connection[tuple[Any, ...]]
Setup = Callable[[Connection], None]


class Address:
    """Where the server is. `label` is what may be shown of it. Raises `UsageError` where that makes no sense."""

    def __init__(self, url: str) -> None:
        try:
            given = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            given = {}  # what psycopg says of it repeats it
        if not url.startswith(("postgresql://", "postgres://")) or not given:
            raise UsageError(
                "the address of the database is not one of PostgreSQL",
                subject="database_url",
                hint="postgresql://USER@HOST:PORT/DATABASE",
            )
        self._secrets = [str(given[name]) for name in ("password", "sslpassword") if given.get(name)]
        self.parameters = {**_GIVEN, **given}
        self.label = f"PostgreSQL database {given.get('dbname') or given.get('user') or ''!s} at {_host(given)}"

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())


class Session:
    """Used by one thread at a time; only `sever` may be called by any. `setup` sees each new connection first."""

    def __init__(self, address: Address, setup: Setup | None = None) -> None:
        self.address = address
        self._setup = setup
        self._connection: Connection | None = None
        self._wire: socket.socket | None = None

    @property
    def open(self) -> bool:
        return self._connection is not None and not self._connection.closed

    def connection(self) -> Connection:
        """The one there is, or a new one. Raises psycopg's errors, and those of the setup."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self.drop()
        found = psycopg.connect(**self.address.parameters, autocommit=True)  # type: ignore[arg-type]
        self._connection = found
        # A copy of the descriptor: libpq may close its own at any moment, and the number would be another's then.
        self._wire = socket.socket(fileno=os.dup(found.fileno()))
        try:
            for name, value in _SETTINGS:
                found.execute("SELECT set_config(%s, %s, false)", (name, value))
            _check(found, self.address.label)
            if self._setup is not None:
                self._setup(found)
        except BaseException:
            self.drop()
            raise
        return found

    def sever(self) -> None:
        """Whoever waits on this connection is told now that it is lost."""
        wire = self._wire
        if wire is not None:
            try:
                wire.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is gone already

    def drop(self) -> None:
        """Forget the connection; the server hears of it. Idempotent."""
        if self._wire is not None:
            self.sever()
            self._wire.close()
            self._wire = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def lost(error: Exception) -> bool:
    """Whether another connection, perhaps later, may do better; and this one cannot be used any more."""
    if isinstance(error, Unavailable):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_LOST_STATES)


def passing(error: Exception) -> bool:
    """Rolled back through no fault of its own: the same again may do."""
    return isinstance(error, errors.DeadlockDetected | errors.SerializationFailure | errors.QueryCanceled)


def translate(error: Exception, address: Address) -> HomeportError:
    """What PostgreSQL says, as one of our errors."""
    if isinstance(error, HomeportError):
        return error
    label, operation = address.label, "use the journal"
    if isinstance(error, errors.DiskFull):
        return StorageFull(
            "no space left for the request journal",
            operation=operation,
            subject=label,
            hint="free space on the file system of the database server; nothing was half-written",
        )
    said = str(error)
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        said = error.diag.message_primary
    if lost(error):
        return Unavailable(
            f"the journal does not answer: {address.clean(said)}",
            operation=operation,
            subject=label,
            hint="the gateway goes on by itself when the database server is back",
        )
    hint = ""
    if isinstance(error, errors.InsufficientPrivilege):
        hint = "the database's owner can help: GRANT CREATE ON DATABASE"
    return HomeportError(f"the journal cannot be used: {address.clean(said)}", operation=operation, subject=label,
                         hint=hint)  # fmt: skip


def away(address: Address) -> Unavailable:
    """For whoever asks while the server is away."""
    return Unavailable(
        "the request journal is away: nothing can be accepted until it is back",
        operation="use the journal",
        subject=address.label,
        hint="try again in a few seconds; nothing was accepted",
    )


def _check(connection: Connection, label: str) -> None:
    row = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('server_encoding'), current_setting('server_version_num')::int"
    ).fetchone()
    assert row is not None
    standby, encoding, version = row
    if standby:
        raise Unavailable(f"{label} is a standby that takes no writes", operation="use the journal", subject=label)
    if encoding != "UTF8" or version < 120_000:
        raise HomeportError(
            f"{label} has version {version // 10000} and the encoding {encoding}; 12 or newer and UTF8 are needed",
            operation="open the journal",
            subject=label,
            hint="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


def _host(given: dict[str, Any]) -> str:
    port = f":{given['port']}" if given.get("port") else ""
    return f"{given.get('host') or 'its usual socket'}{port}"
