# SPDX-License-Identifier: Apache-2.0
"""Connections to the tables of a schema, made anew after the server was away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, LiteralString

from psycopg import sql
from sqlalchemy import Connection, Engine, NullPool, create_engine

from homeport.drivers import postgresql
from homeport.drivers.stores.sql.postgres.faults import explain, is_lost
from homeport.errors import HomeportError, Unavailable
from homeport.model.database import shown

BUSY_S = 10
"""How long one server waits for another's write; and after which the lock of a writer that went silent is broken."""
COPYING = 0x686F6D65_636F7079
"""Advisory lock of the database: shared by every open store, exclusive while the whole state is copied."""


def _session() -> LiteralString:
    return f"""
        SET statement_timeout = '{BUSY_S}s';
        SET lock_timeout = '{BUSY_S}s';
        SET idle_in_transaction_session_timeout = '{BUSY_S}s';
        SET default_transaction_isolation = 'read committed';
        SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
    """


def connect(url: str, schema: str, what: str = "store") -> postgresql.Bounded:
    """A connection that sees the tables of `schema`. Raises what psycopg raises."""
    connection = postgresql.connect(url, what, autocommit=True)
    try:
        connection.execute(_session())
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
    except BaseException:
        connection.close()
        raise
    connection.autocommit = False
    return connection


class ServerLink:
    """A lane's connection to a server that may go and come back."""

    def __init__(self, url: str, schema: str, *, writes: bool, ready: Callable[[Connection], None]) -> None:
        self.name = shown(url)
        self._url, self._schema = url, schema
        self._writes = writes
        self._ready = ready
        self._engine = engine(lambda: connect(url, schema))
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        if self._connection is None:
            made = self._engine.connect()
            try:
                if not took(made, "pg_try_advisory_lock_shared"):
                    raise Unavailable(
                        "the state in this database is being copied",
                        operation="store",
                        subject=self.name,
                        hint="wait until `homeport store copy` has ended",
                    )
                self._ready(made)
                made.commit()
            except BaseException:
                discard(made)
                raise
            # What only reads is one statement at a time: without BEGIN and COMMIT around it.
            self._connection = made if self._writes else made.execution_options(isolation_level="AUTOCOMMIT")
        return self._connection

    def lost(self, error: BaseException) -> bool:
        if self._connection is None:
            return True  # there was none, and none could be made
        if not is_lost(error):
            return False
        self.close()
        return True

    def explain(self, error: BaseException) -> HomeportError:
        return explain(error, self._url)

    def close(self) -> None:
        if self._connection is not None:
            discard(self._connection)
            self._connection = None


def took(connection: Connection, lock: str) -> bool:
    return bool(connection.exec_driver_sql(f"SELECT {lock}({COPYING})").scalar())


def engine(creator: Callable[[], Any]) -> Engine:
    """SQLAlchemy over `connect`. The URL has neither address nor password, because it may be shown."""
    return create_engine("postgresql+psycopg://", creator=creator, poolclass=NullPool, pool_reset_on_return=None)


def discard(connection: Connection) -> None:
    """Close without asking the server, which may not answer."""
    connection.invalidate()
    connection.close()
