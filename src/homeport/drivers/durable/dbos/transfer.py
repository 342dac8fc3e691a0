# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Part` of durable steps: all of DBOS's tables by their columns' names, as DBOS made them.

Both databases count DBOS's migrations alike, so that equal numbers mean equal tables.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    NullPool,
    Select,
    Table,
    Text,
    cast,
    create_engine,
    delete,
    event,
    inspect,
    literal,
    null,
    select,
)
from sqlalchemy import insert as insert_into

from homeport.drivers.durable.dbos import engine as dbos_engine
from homeport.drivers.durable.dbos import postgres
from homeport.drivers.durable.dbos.driver import DbosDurable
from homeport.drivers.durable.dbos.options import Options
from homeport.errors import HomeportError, NotFound
from homeport.interfaces.transfer import Item, Where, lots

STEPS = "steps "
_IN_LOTS = {"yield_per": 500}
SCHEMA = "dbos"
_VERSION = "dbos_migrations"
_NOT_OURS = {_VERSION, "event_dispatch_kv"}
_JSON = {("workflow_status", "attributes")}
"""JSON in one database, its text in the other."""


class StepsPart:
    def __init__(self, where: Where, *, write: bool = False) -> None:
        self._where = where
        self._schema = SCHEMA if where.url else None
        with self._told():
            if write:
                _create(where)
            elif where.folder is not None and not (where.folder / "durable.db").exists():
                raise NotFound(f"there is no durable.db in {where.folder}", operation="copy")
            self._engine = _engine(where)
            self._connection = self._engine.connect()
        try:
            with self._told():
                self._begin(write=write)
        except BaseException:
            self.close()
            raise

    @property
    def snapshot(self) -> str:
        if not self._where.url:
            return ""
        return str(self._connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one())

    @property
    def version(self) -> int:
        """Of DBOS's tables."""
        return self._version

    def items(self) -> Generator[Item]:
        with self._told():
            # First of all, so that a target of another version is refused before anything is written to it.
            yield Item(STEPS + "schema", {"version": self._version})
            for table in self._tables:
                with self._connection.execute(_whole(table), execution_options=_IN_LOTS) as rows:
                    for row in rows.mappings():
                        yield Item(STEPS + table.name, _taken_out(table, row))

    def put(self, items: Iterable[Item]) -> None:
        tables = {table.name: table for table in self._tables}
        with self._told():
            for lot in lots(items):
                for item in lot:
                    name = item.kind.removeprefix(STEPS)
                    if name == "schema":
                        self._check_version(item.data["version"])
                        continue
                    if name not in tables or item.data.keys() - tables[name].columns.keys():
                        raise HomeportError(f"this version has no place for {item.kind}", operation="copy")
                    self._connection.execute(insert_into(tables[name]).values(self._put_in(tables[name], item.data)))

    def commit(self) -> None:
        with self._told():
            self._connection.commit()
            if self._where.folder is not None:
                # One file, which can be moved. Not by SQLAlchemy, which would begin a transaction first.
                raw: Any = self._connection.connection.driver_connection
                raw.execute("PRAGMA journal_mode=DELETE")

    def close(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and not connection.closed:
            connection.invalidate()  # or it would ask the server, which may be away, to roll back
            connection.close()
        self._engine.dispose()

    def _begin(self, *, write: bool) -> None:
        execute = self._connection.exec_driver_sql
        if self._where.url:
            if not write:
                execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if self._where.snapshot:
                execute("SET TRANSACTION SNAPSHOT '" + self._where.snapshot.replace("'", "") + "'")
            execute("SET application_name = 'homeport copy'")
            execute("SET idle_in_transaction_session_timeout = 0")
        if not inspect(self._connection).has_table(_VERSION, schema=self._schema):
            raise NotFound("there are no durable steps", operation="copy", hint="is this the place of a Homeport?")
        metadata = MetaData(schema=self._schema)
        metadata.reflect(self._connection)
        named = {table.name: table for table in metadata.sorted_tables}
        self._version: int = self._connection.execute(select(named[_VERSION].c.version)).scalar_one()
        self._tables = [table for table in metadata.sorted_tables if table.name not in _NOT_OURS]
        if write:
            for table in reversed(self._tables):
                self._connection.execute(delete(table))

    def _check_version(self, found: object) -> None:
        if found != self._version:
            raise HomeportError(
                f"the durable steps have schema {found}, this version {self._version}",
                operation="copy",
                hint="start a server of the newer of the two versions on it once",
            )

    def _put_in(self, table: Table, data: dict[str, Any]) -> dict[str, Any]:
        """What is left out is NULL, whatever the column's default is."""
        names = [column.name for column in table.columns]
        found: dict[str, Any] = {key: data.get(key, null()) for key in names}
        for name, key in _JSON:
            if self._where.url and name == table.name and key in data:
                found[key] = cast(literal(data[key], Text), table.columns[key].type)
        return found

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except HomeportError:
            raise
        except Exception as error:
            raise dbos_engine.as_ours(error, "copy") from None


def _whole(table: Table) -> Select[Any]:
    """JSON as text, in which "null" and nothing differ."""
    return select(*(cast(c, Text).label(c.name) if (table.name, c.name) in _JSON else c for c in table.columns))


def _taken_out(table: Table, row: Any) -> dict[str, Any]:
    found = {}
    for key, value in row.items():
        if value is None:
            continue
        if (table.name, key) in _JSON:
            value = json.dumps(json.loads(value), sort_keys=True)
        found[key] = value
    return found


def _engine(where: Where) -> Engine:
    if where.url:
        return postgres.engine(where.url, 1)
    assert where.folder is not None
    made = create_engine(f"sqlite:///{where.folder / 'durable.db'}", poolclass=NullPool)

    @event.listens_for(made, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return made


def _create(where: Where) -> None:
    """As DBOS makes its tables: by its migration, or, where that takes no address of ours, by a launch of nothing."""
    if where.folder is not None:
        import dbos

        dbos_engine._route_logs()
        dbos_engine._teach_old_sqlite()
        path = where.folder / "durable.db"
        path.touch(mode=0o600)
        dbos.DBOS.migrate(f"sqlite:///{path}")
        return

    async def launch(folder: Path) -> None:
        durable = DbosDurable(Options(folder / "durable.db", folder / "lock", url=where.url))
        try:
            await durable.launch()
        finally:
            await durable.close()

    with tempfile.TemporaryDirectory(prefix="homeport-") as folder:
        asyncio.run(launch(Path(folder)))
