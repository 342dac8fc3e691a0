# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Part` of the journal in a database: requests with their answers, and large bodies.

Leases are copied as they are; whose they were does not run, so the one who reads them next finds them over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from homeport.drivers.journals.postgres import outbox, rows, statements
from homeport.drivers.journals.postgres.rows import Clocks
from homeport.drivers.journals.postgres.schema import MIGRATIONS, SCHEMA, migrate
from homeport.drivers.journals.postgres.session import Address, Connection, Session, translate
from homeport.errors import HomeportError, NotFound
from homeport.interfaces.transfer import Item, Where, lots
from homeport.model.codec import from_json, to_json
from homeport.model.request import StoredRequest
from homeport.model.webhook import Change

REQUEST, BODY, CHANGE, STOPPED = "request ", "large body", "webhook change", "webhook stopped"
KEY = "journal key"
_OWNER = "copied"
_INSERT = f"INSERT INTO requests ({statements.ROW}) VALUES ({', '.join(['%s'] * len(statements.ROW.split(',')))})"
_ADD_COUNT = "INSERT INTO counts (owner, state, n) VALUES (%s, %s, %s)"
_SHELVE = (
    "INSERT INTO shelf AS s (name, owner, size) VALUES (%s, %s, %s)"
    " ON CONFLICT (name) DO UPDATE SET size = s.size + excluded.size"
)
# Each with its id; which of them is in use is a note of another name, and every gateway's own.
_KEYS = "SELECT DISTINCT ON (name) name, value FROM notes WHERE name LIKE 'journal key _%' ORDER BY name, owner"
_PUT_KEY = "INSERT INTO notes (owner, name, value) VALUES (%s, %s, %s)"
_PUT_PIECE = "INSERT INTO pieces (name, n, data) VALUES (%s, %s, %s)"
_PIECES = """
    SELECT p.name, p.n, p.data FROM pieces p
    WHERE p.name IN (SELECT spool FROM requests UNION SELECT response_spool FROM requests) ORDER BY p.name, p.n
"""


class JournalPart:
    def __init__(self, where: Where, *, write: bool = False) -> None:
        self._address = Address(where.url)
        self._session = Session(self._address)
        # Nothing measures these: times are taken as they are.
        self._clocks = Clocks(lambda: 0)
        try:
            with self._told():
                self._db = self._open(where, write=write)
        except BaseException:
            self.close()
            raise

    @property
    def snapshot(self) -> str:
        row = self._db.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        return str(row[0])

    def items(self) -> Generator[Item]:
        with self._told():
            for row in self._stream(f"SELECT {statements.ROW} FROM requests ORDER BY n NULLS FIRST, id", 20):
                request = rows.stored(row, self._clocks)
                yield Item(REQUEST + request.state.value, {"record": to_json(request)})
            for name, n, data in self._stream(_PIECES, 4, binary=True):
                yield Item(BODY, {"name": name, "n": n, "data": bytes(data)})
            for row in self._stream(outbox.ALL, 200):
                yield Item(CHANGE, {"record": to_json(outbox.plain(row))})
            for hook, at_us, why in self._stream(outbox.ALL_STOPPED, 200):
                yield Item(STOPPED, {"hook": hook, "at_us": at_us, "why": why})
            for name, value in self._stream(_KEYS, 200, binary=True):
                yield Item(KEY, {"name": name, "value": bytes(value)})

    def put(self, items: Iterable[Item]) -> None:
        counts: Counter[str] = Counter()
        with self._told(), self._db.cursor() as cursor:
            for lot in lots(items, 100):
                requests = [self._row(item) for item in lot if item.kind.startswith(REQUEST)]
                counts.update(item.kind.removeprefix(REQUEST) for item in lot if item.kind.startswith(REQUEST))
                if requests:
                    cursor.executemany(_INSERT, requests)
                for item in lot:
                    if item.kind == BODY:
                        name, n, data = item.data["name"], item.data["n"], item.data["data"]
                        assert isinstance(data, bytes)
                        cursor.execute(_SHELVE, (name, _OWNER, len(data)))
                        cursor.execute(_PUT_PIECE, (name, n, data), binary=True)
                    elif item.kind == CHANGE:
                        record = item.data["record"]
                        assert isinstance(record, bytes)
                        cursor.execute(outbox.PUT, outbox.columns(from_json(record, Change)))
                    elif item.kind == STOPPED:
                        cursor.execute(outbox.PUT_STOPPED, (item.data["hook"], item.data["at_us"], item.data["why"]))
                    elif item.kind == KEY:
                        cursor.execute(_PUT_KEY, (_OWNER, item.data["name"], item.data["value"]))
            for state, number in counts.items():
                cursor.execute(_ADD_COUNT, (_OWNER, state, number))

    def commit(self) -> None:
        with self._told():
            self._db.execute("ALTER TABLE requests ENABLE TRIGGER requests_changed")
            self._db.execute("COMMIT")

    def close(self) -> None:
        self._session.drop()

    def _open(self, where: Where, *, write: bool) -> Connection:
        db = self._session.connection()
        db.execute("SET application_name = 'homeport copy'")
        db.execute("SET idle_in_transaction_session_timeout = 0")
        if write:
            migrate(db, self._address.label)
        row = db.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migrations",)).fetchone()
        if row is None or row[0] is None:
            raise NotFound(f"there is no journal in {self._address.label}", operation="copy")
        version = (db.execute("SELECT coalesce(max(number), 0) FROM migrations").fetchone() or (0,))[0]
        if version != len(MIGRATIONS):
            raise HomeportError(
                f"the journal has schema {version}, this version {len(MIGRATIONS)}",
                operation="copy",
                hint="start a server of the newer of the two versions on it once",
            )
        db.execute("BEGIN" if write else "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        if where.snapshot:
            db.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(where.snapshot))
        if write:
            db.execute("DELETE FROM requests")
            db.execute("DELETE FROM counts")
            db.execute("DELETE FROM notes")
            db.execute("DELETE FROM shelf")
            db.execute("DELETE FROM outbox")
            db.execute("DELETE FROM stopped_hooks")
            # What is copied has been told where it happened.
            db.execute("ALTER TABLE requests DISABLE TRIGGER requests_changed")
        return db

    def _row(self, item: Item) -> tuple[object, ...]:
        record = item.data["record"]
        assert isinstance(record, bytes)
        request = from_json(record, StoredRequest)
        return (*rows.request_row(request, self._clocks), *_response(request))

    def _stream(self, query: str, at_once: int, *, binary: bool = False) -> Iterator[tuple[Any, ...]]:
        """Each row may have a megabyte."""
        with self._db.cursor(name="copying", binary=binary) as cursor:
            cursor.itersize = at_once
            yield from cursor.execute(query.encode())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise translate(error, self._address) from None


def _response(request: StoredRequest) -> tuple[object, ...]:
    """In the order of the last columns of `statements.ROW`."""
    if request.response is None:
        return (None,) * 7
    # Without the request's id and fence, which come first there.
    return rows.response_row(request.id, request.fence, request.response)[2:]
