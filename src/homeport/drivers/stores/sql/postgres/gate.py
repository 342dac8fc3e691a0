# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Gate` of a database: the lock that every open store shares, and who else is connected."""

from __future__ import annotations

import time
from pathlib import Path

from psycopg import Error

from homeport.drivers.postgresql import Bounded
from homeport.drivers.stores.sql.postgres.connect import COPYING, connect
from homeport.drivers.stores.sql.postgres.faults import explain
from homeport.drivers.stores.sql.schema import HALF_COPIED, SCHEMA
from homeport.errors import Conflict, Unavailable
from homeport.interfaces.transfer import Where
from homeport.model.database import check_database_url, shown

_OTHERS = """
    SELECT application_name, coalesce(client_hostname, host(client_addr), 'this machine') FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'homeport %' AND application_name <> 'homeport copy'
"""
LEAVING_S = 2.0
"""Whoever closes a connection goes on before the server has let go of it."""
_TABLE = "SELECT to_regclass(%s) IS NOT NULL"


class DatabaseGate:
    def __init__(self, where: Where) -> None:
        check_database_url(where.url)
        self._url = where.url
        self._session: Bounded | None = None

    def take(self) -> None:
        try:
            self._session = connect(self._url, SCHEMA, "copy")
            self._session.autocommit = True
            deadline = time.monotonic() + LEAVING_S
            while not (locked := self._one(f"SELECT pg_try_advisory_lock({COPYING})")) or self._other():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        except Error as error:
            raise explain(error, self._url) from None
        self.check()
        if not locked:
            raise self._busy("a server or another copy")

    def check(self) -> None:
        try:
            other = self._other()
        except Error as error:
            raise Unavailable(f"the hold on {shown(self._url)} was lost: {explain(error, self._url)}") from None
        if other:
            raise self._busy(other)

    def found(self) -> str:
        try:
            if not self._one(_TABLE, f"{SCHEMA}.alembic_version"):
                return "nothing"
            if self._one("SELECT version_num FROM alembic_version") == HALF_COPIED:
                return "half"
            return "home" if self._one("SELECT revision FROM counter") else "nothing"
        except Error as error:
            raise explain(error, self._url) from None

    def mark(self, keep: Path | None = None) -> None:
        assert self._session is not None
        try:
            self._session.execute("UPDATE alembic_version SET version_num = %s", (HALF_COPIED,))
        except Error as error:
            raise explain(error, self._url) from None

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _other(self) -> str:
        """Who else of Homeport is connected; "" for nobody."""
        assert self._session is not None
        found = self._session.execute(_OTHERS).fetchone()
        return f"{found[0]} of {found[1]}" if found else ""

    def _one(self, sql: str, *values: str) -> object:
        assert self._session is not None
        row = self._session.execute(sql.encode(), values or None).fetchone()
        return None if row is None else row[0]

    def _busy(self, who: str) -> Conflict:
        return Conflict(
            f"{who} is connected to {shown(self._url)}",
            operation="copy",
            subject=shown(self._url),
            hint="stop all servers and gateways on this database first",
        )
