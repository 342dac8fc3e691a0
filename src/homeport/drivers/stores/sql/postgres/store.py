# SPDX-License-Identifier: Apache-2.0
"""The store in PostgreSQL: any number of servers read and write, each write in its turn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from sqlalchemy import Connection

from homeport.drivers.stores.sql import queries
from homeport.drivers.stores.sql.postgres.connect import ServerLink, connect, engine
from homeport.drivers.stores.sql.postgres.faults import explain
from homeport.drivers.stores.sql.postgres.upgrade import bring_up_to_date, check_known, revision
from homeport.drivers.stores.sql.schema import SCHEMA
from homeport.drivers.stores.sql.store import SqlStore
from homeport.errors import HomeportError
from homeport.model.database import check_database_url, shown


@dataclass(frozen=True, slots=True)
class Options:
    url: str = field(repr=False)
    """postgresql://…, as libpq reads it. A password is better kept in PGPASSWORD or in a password file."""
    schema: str = SCHEMA
    """Where the tables are; made if it is not there, for which the user needs CREATE on the database."""
    poll: float = 1.0
    """Seconds after which a watch looks for writes of other servers. Writes of this one are seen at once."""
    upgrade: bool = True
    """Whether tables may be made and migrated: not by a server that only looks on, while an older one decides."""


class PostgresStore(SqlStore):
    """Made by `open`. Connects by itself when the server is back; until then calls raise `Unavailable` within 20 s."""

    @classmethod
    async def open(cls, options: Options) -> PostgresStore:
        """Create or upgrade the tables, one server at a time and in one transaction.

        Raises `HomeportError` for tables that are newer than this program or not ours, for half a copy, and for a
        database that is not UTF-8; `UsageError` for a URL that cannot be read; `Unavailable`, also for tables that
        would have to be upgraded and may not be.
        """
        check_database_url(options.url)
        await asyncio.to_thread(_prepare, options)
        name = shown(options.url)

        def ready(connection: Connection) -> None:
            # Looked at with every connection: the database may have been upgraded or replaced while it was away.
            check_known(revision(connection, options.schema), name)

        def link(writes: bool) -> ServerLink:
            return ServerLink(options.url, options.schema, writes=writes, ready=ready)

        return cls(link(True), link(False), queries.POSTGRES, options.poll)


def _prepare(options: Options) -> None:
    pool = engine(lambda: connect(options.url, options.schema))
    try:
        bring_up_to_date(pool, options.schema, shown(options.url), upgrade=options.upgrade)
    except HomeportError:
        raise
    except Exception as error:
        raise explain(error, options.url) from None
    finally:
        pool.dispose()
