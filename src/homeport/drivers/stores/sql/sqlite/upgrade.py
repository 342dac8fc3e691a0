# SPDX-License-Identifier: Apache-2.0
"""The file's schema: which it is, creating it, upgrading it. Synchronous: runs in a thread, before anything else."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, insert

from homeport.drivers.stores.sql import migrations
from homeport.drivers.stores.sql.queries import FIRST_COUNT
from homeport.drivers.stores.sql.schema import HALF_COPIED, REVISIONS, alembic_version, metadata
from homeport.errors import HomeportError

HEAD = REVISIONS[-1]


def bring_up_to_date(path: Path) -> None:
    """Afterwards the file has today's schema. Raises `HomeportError` for one that is newer, or not ours.

    Alembic is imported only for a file that is behind: it costs 15 MB and 0.2 s.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    found = revision(path)
    if found == HEAD:
        return
    if found is None:
        _create(path)
        return
    if found == HALF_COPIED:
        raise HomeportError(
            f"{path} is half a copy: `homeport store copy` was broken off",
            operation="open the store",
            subject=str(path),
            hint="run the same copy again",
        )
    if found not in REVISIONS:
        raise HomeportError(
            f"{path} has schema {found}, written by a newer Homeport; this one knows up to {HEAD}",
            operation="open the store",
            subject=str(path),
            hint=f"use the newer version, or restore the backup made before the upgrade ({path.name}.before-*)",
        )
    _back_up(path, path.with_name(f"{path.name}.before-{HEAD}"))
    _migrate(path)


def revision(path: Path) -> str | None:
    """The schema's revision; None for an empty file."""
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return None
        if "alembic_version" in tables:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if row is not None:
                return str(row[0])
    raise HomeportError(
        f"{path} is a database, but not one of Homeport's",
        operation="open the store",
        subject=str(path),
        hint="move it away, or choose another state folder (HOMEPORT_HOME)",
    )


def _create(path: Path) -> None:
    engine = _engine(path)
    with engine.begin() as connection:
        # Under the write lock: another process may have made it meanwhile.
        if connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() == 0:
            metadata.create_all(connection)
            connection.execute(FIRST_COUNT)
            connection.execute(insert(alembic_version).values(version_num=HEAD))
    engine.dispose()


def _migrate(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    engine = _engine(path)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


def _back_up(path: Path, copy: Path) -> None:
    """A whole copy by SQLite's backup interface, complete before it gets its name."""
    partial = copy.with_name(copy.name + ".partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(path, timeout=10)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        partial.replace(copy)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _engine(path: Path) -> Engine:
    engine = create_engine(URL.create("sqlite+pysqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
