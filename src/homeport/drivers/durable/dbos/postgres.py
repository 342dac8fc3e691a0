# SPDX-License-Identifier: Apache-2.0
"""Connections to PostgreSQL whose every wait has an end, and its absence told in our words.

DBOS retries a lost connection for ever, a minute apart, and blocks a thread meanwhile: nothing would say that the
database is away, and most of that minute would be lost after it is back. So a lost connection is raised here as
`Unavailable`, which DBOS passes on, and who asked decides: callers are told, workflows are queued again (`again`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from homeport.errors import StorageFull, Unavailable
from homeport.model.database import check_database_url

if TYPE_CHECKING:
    import sqlalchemy as sa

POOL_S = 15.0
"""How long a thread waits for a connection of the pool."""
SPARE = 6
"""Connections beside those of the threads: for DBOS's own loops."""
AWAY = "PostgreSQL does not answer"
_LOST = ("08", "53", "57")
"""Classes of SQLSTATE: connection lost, out of resources, shut down by its operator."""
FULL = "53100"
_CANCELLED = "57014"


def engine(url: str, threads: int) -> sa.Engine:
    """One pool on the database that `url` (as libpq reads it) names, for so many threads; nothing connects yet."""
    import sqlalchemy as sa

    from homeport.drivers.postgresql import connect

    check_database_url(url)
    made = sa.create_engine(
        # Without address or password: those are in the connector only, and this URL may be shown.
        "postgresql+psycopg://",
        creator=lambda: connect(url, "durable"),
        pool_size=threads + SPARE,
        max_overflow=0,
        pool_timeout=POOL_S,
        pool_pre_ping=True,
        pool_use_lifo=True,
    )
    sa.event.listen(made, "handle_error", partial(_tell, url))
    return made


def _tell(url: str, context: sa.ExceptionContext) -> None:
    """SQLAlchemy's `handle_error`: what it raises is raised instead."""
    import psycopg

    if context.is_pre_ping:  # a stale connection of the pool: it takes a fresh one by itself
        return
    problem = context.original_exception
    state = getattr(problem, "sqlstate", None) or ""
    if state == FULL:
        raise StorageFull("no room left to record durable steps", operation="durable", hint="free some disk space")
    lost = context.is_disconnect or (isinstance(problem, psycopg.OperationalError) and not state)
    if lost or (state != _CANCELLED and state.startswith(_LOST)):
        raise away(problem, url)


def away(problem: BaseException, url: str) -> Unavailable:
    from homeport.drivers.postgresql import said

    return Unavailable(
        f"{AWAY}: {said(problem, url)}",
        operation="durable",
        hint="it is asked again by itself; see whether the database server runs and can be reached",
    )
