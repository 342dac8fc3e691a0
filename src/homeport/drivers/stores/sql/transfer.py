# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Part` of the store: records with their revisions, deletions, the counter."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, NullPool, Table, create_engine, delete, event, insert, select, update

from homeport.drivers.stores.sql.schema import (  # fmt: skip
    HALF_COPIED,
    REVISIONS,
    SCHEMA,
    alembic_version,
    counter,
    records,
    tombstones,
)
from homeport.drivers.stores.sql.sqlite import faults as file_faults
from homeport.drivers.stores.sql.sqlite import upgrade as file_upgrade
from homeport.errors import HomeportError, NotFound
from homeport.interfaces.transfer import Item, Where, lots

RECORD = "record "
_IN_LOTS = {"yield_per": 500}
_TABLES = {"deletion": tombstones, "revision": counter}
HEAD = REVISIONS[-1]


class StatePart:
    def __init__(self, where: Where, *, write: bool = False) -> None:
        self._where, self._write = where, write
        with self._told():
            self._engine, found = _open(where, write=write)
            check_readable(found, "the state")
            self._connection = self._engine.connect()
        try:
            with self._told():
                self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def snapshot(self) -> str:
        if not self._where.url:
            return ""
        return str(self._connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())

    def items(self) -> Generator[Item]:
        with self._told():
            for name, table in (("", records), *_TABLES.items()):
                with self._connection.execute(select(table), execution_options=_IN_LOTS) as rows:
                    for row in rows.mappings():
                        yield Item(name or RECORD + row["kind"], dict(row))

    def put(self, items: Iterable[Item]) -> None:
        with self._told():
            for lot in lots(items):
                by_table: dict[Table, list[dict[str, object]]] = {}
                for item in lot:
                    by_table.setdefault(_TABLES.get(item.kind, records), []).append(dict(item.data))
                for table, rows in by_table.items():
                    self._connection.execute(insert(table), rows)

    def commit(self) -> None:
        with self._told():
            self._connection.execute(update(alembic_version).values(version_num=HEAD))
            self._connection.commit()

    def close(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and not connection.closed:
            connection.invalidate()  # or it would ask the server, which may be away, to roll back
            connection.close()
        self._engine.dispose()

    def _begin(self) -> None:
        execute = self._connection.exec_driver_sql
        if self._where.url:
            if not self._write:
                execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if self._where.snapshot:
                execute("SET TRANSACTION SNAPSHOT '" + self._where.snapshot.replace("'", "") + "'")
            # The other parts take their time meanwhile.
            execute("SET statement_timeout = 0")
            execute("SET idle_in_transaction_session_timeout = 0")
        if self._write:
            for table in (records, tombstones, counter):
                self._connection.execute(delete(table))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except HomeportError:
            raise
        except Exception as error:
            if self._where.folder is not None:
                raise file_faults.explain(error, self._where.folder / "state.db") from error
            from homeport.drivers.stores.sql.postgres import faults

            raise faults.explain(error, self._where.url) from None


def check_readable(found: str | None, what: str) -> None:
    """Raises unless it is today's schema."""
    if found is None:
        raise NotFound(f"{what} is not there", operation="copy", hint="is this the place of a Homeport?")
    if found == HALF_COPIED:
        raise HomeportError(f"{what} is half a copy", operation="copy", hint="make that copy again first")
    if found != HEAD:
        age = "an older" if found in REVISIONS else "a newer"
        raise HomeportError(
            f"{what} was written by {age} Homeport (schema {found}; this one: {HEAD})",
            operation="copy",
            hint="start a server of this version on it once, which upgrades it"
            if found in REVISIONS
            else "use that version",
        )


def _open(where: Where, *, write: bool) -> tuple[Engine, str | None]:
    """And the schema that is found; when writing, after it was made."""
    if where.folder is not None:
        path = where.folder / "state.db"
        if write:
            file_upgrade.bring_up_to_date(path)
        found = file_upgrade.revision(path) if path.exists() else None
        return _file_engine(str(path)), found
    from homeport.drivers.stores.sql.postgres.connect import connect, engine
    from homeport.drivers.stores.sql.postgres.upgrade import bring_up_to_date, revision
    from homeport.model.database import shown

    made = engine(lambda: connect(where.url, SCHEMA, "copy"))
    with made.connect() as connection:
        found = revision(connection, SCHEMA)
    if write and found != HALF_COPIED:
        bring_up_to_date(made, SCHEMA, shown(where.url))
    return made, HEAD if write else found


def _file_engine(path: str) -> Engine:
    made = create_engine(URL.create("sqlite+pysqlite", database=path), poolclass=NullPool)

    @event.listens_for(made, "connect")
    def prepare(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return made
