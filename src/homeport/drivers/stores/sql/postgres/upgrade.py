# SPDX-License-Identifier: Apache-2.0
"""The database's schema: which it is, creating it, upgrading it, by one server at a time. Synchronous."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, insert

from homeport.drivers.stores.sql import migrations
from homeport.drivers.stores.sql.queries import FIRST_COUNT
from homeport.drivers.stores.sql.schema import HALF_COPIED, REVISIONS, alembic_version, metadata
from homeport.errors import HomeportError, Unavailable

HEAD = REVISIONS[-1]
UPGRADING = 0x686F6D65_75706772
"""Advisory lock of the database, held by the transaction that creates or migrates."""
MOST_S = 600
"""How long a migration of much data may take; a server that starts meanwhile waits for it."""


def bring_up_to_date(engine: Engine, schema: str, name: str, *, upgrade: bool = True) -> None:
    """Afterwards the database has today's schema. Raises `HomeportError` for one that is newer, or not ours.

    Without `upgrade` nothing is changed: raises `Unavailable` for one that is older, or not there yet.
    """
    with engine.connect() as connection:
        _check_encoding(connection, name)
        found = revision(connection, schema)
    if found == HEAD:
        return
    if not upgrade:
        if found is not None:
            check_known(found, name)
        raise Unavailable(
            f"{name} has {'no tables' if found is None else f'schema {found}'} yet",
            operation="open the store",
            subject=name,
            hint=f"the server that decides brings it to {HEAD} once it is of this version",
        )
    with engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{MOST_S}s'")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADING})")
        found = revision(connection, schema)  # another server may have been first
        if found is None:
            _create(connection, schema)
        elif found != HEAD:
            check_known(found, name)
            _migrate(connection)


def revision(connection: Connection, schema: str) -> str | None:
    """The schema's revision; None where there are no tables yet."""
    row = connection.exec_driver_sql(
        "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s", (schema,)
    ).scalars()
    tables = set(row)
    if not tables:
        return None
    if "alembic_version" in tables:
        found = connection.execute(alembic_version.select()).scalar()
        if found is not None:
            return str(found)
    raise HomeportError(
        f"the schema {schema} of the database is not one of Homeport's",
        operation="open the store",
        subject=schema,
        hint="choose another database for Homeport",
    )


def check_known(found: str | None, name: str) -> None:
    """Raises `HomeportError` for no schema, for that of a newer program, and for a copy that was broken off."""
    if found is None:
        raise HomeportError(
            f"the tables in {name} are gone",
            operation="open the store",
            subject=name,
            hint="restore them from a backup; a server that is started anew makes empty ones",
        )
    if found == HALF_COPIED:
        raise HomeportError(
            f"{name} holds half a copy: `homeport store copy` was broken off",
            operation="open the store",
            subject=name,
            hint="run the same copy again",
        )
    if found not in REVISIONS:
        raise HomeportError(
            f"{name} has schema {found}, written by a newer Homeport; this one knows up to {HEAD}",
            operation="open the store",
            subject=name,
            hint="use the newer version, or restore a backup made before the upgrade",
        )


def _check_encoding(connection: Connection, name: str) -> None:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        raise HomeportError(
            f"{name} keeps its text as {encoding}",
            operation="open the store",
            subject=name,
            hint="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


def _create(connection: Connection, schema: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(schema)
    if not connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).scalar():
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
    metadata.create_all(connection, checkfirst=False)
    connection.execute(FIRST_COUNT)
    connection.execute(insert(alembic_version).values(version_num=HEAD))


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
