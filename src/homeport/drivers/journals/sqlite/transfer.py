# SPDX-License-Identifier: Apache-2.0
"""`interfaces.transfer.Part` of the journal in a state folder: requests with their answers, and spooled bodies."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import apsw

from homeport.drivers.journals.sqlite import opening, outbox, queries, rows, triggers
from homeport.drivers.journals.sqlite.schema import MIGRATIONS
from homeport.drivers.requestrow import stored
from homeport.errors import HomeportError, NotFound, StorageFull
from homeport.interfaces.transfer import Item, Where
from homeport.model.codec import from_json, to_json
from homeport.model.request import StoredRequest
from homeport.model.webhook import Change

REQUEST, BODY, CHANGE, STOPPED = "request ", "large body", "webhook change", "webhook stopped"
KEY = "journal key"
PIECE = 1024 * 1024
_ALL = queries.BY_ID.replace("WHERE r.id = ?", "ORDER BY r.n")
_SPOOLED = "SELECT spool FROM requests WHERE spool <> '' UNION SELECT spool FROM responses WHERE spool <> '' ORDER BY 1"


class JournalPart:
    def __init__(self, where: Where, *, write: bool = False) -> None:
        assert where.folder is not None
        self._path = where.folder / "journal.db"
        self._spool = where.folder / "spool"
        self._written: set[Path] = set()
        if not write and not self._path.exists():
            raise NotFound(f"there is no {self._path}", operation="copy", hint="is this the folder of a Homeport?")
        with self._told():
            self._db = opening.open_writer(self._path) if write else opening.open_reader(self._path)
            if (version := self._db.pragma("user_version")) != len(MIGRATIONS):
                self._db.close()
                raise HomeportError(
                    f"the journal has schema {version}, this version {len(MIGRATIONS)}",
                    operation="copy",
                    hint="start a server of the newer of the two versions on it once",
                )
            self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            if write:
                triggers.disarm(self._db)

    @property
    def snapshot(self) -> str:
        return ""

    def items(self) -> Generator[Item]:
        with self._told():
            for row in self._db.execute(_ALL):
                request = _plain(stored(row))
                yield Item(REQUEST + request.state.value, {"record": to_json(request)})
            for (name,) in self._db.execute(_SPOOLED):
                yield from self._pieces(self._spool / Path(name).name)
            for row in self._db.execute(outbox.ALL):
                yield Item(CHANGE, {"record": to_json(_told_plainly(outbox.plain(row)))})
            for hook, at_us, why in self._db.execute(outbox.ALL_STOPPED):
                yield Item(STOPPED, {"hook": hook, "at_us": at_us, "why": _text(why)})
            for name, value in self._db.execute(queries.KEYS):
                yield Item(KEY, {"name": name, "value": value})

    def put(self, items: Iterable[Item]) -> None:
        counts: Counter[str] = Counter()
        with self._told():
            for item in items:
                if item.kind == BODY:
                    self._append(item)
                elif item.kind == CHANGE:
                    record = item.data["record"]
                    assert isinstance(record, bytes)
                    self._db.execute(outbox.PUT, outbox.columns(from_json(record, Change)))
                elif item.kind == STOPPED:
                    self._db.execute(outbox.PUT_STOPPED, (item.data["hook"], item.data["at_us"], item.data["why"]))
                elif item.kind == KEY:
                    self._db.execute(queries.PUT_NOTE, (item.data["name"], item.data["value"]))
                else:
                    counts[self._insert(item)] += 1
            for state, number in counts.items():
                self._db.execute(queries.ADD_COUNT, (state, number))

    def commit(self) -> None:
        with self._told():
            for path in (*self._written, *([self._spool] if self._written else [])):
                handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
            if self._db.execute("SELECT 1 FROM requests WHERE hooks <> '' LIMIT 1").fetchone():
                triggers.arm(self._db)
            self._db.execute("COMMIT")
            self._db.pragma("journal_mode", "delete")  # one file, which can be moved

    def close(self) -> None:
        self._db.close(True)

    def _pieces(self, path: Path) -> Iterator[Item]:
        """None where the file is gone: its request cannot be answered there either."""
        try:
            file = path.open("rb", buffering=0)
        except FileNotFoundError:
            return
        with file:
            n = 0
            while piece := file.read(PIECE):
                yield Item(BODY, {"name": path.name, "n": n, "data": piece})
                n += 1

    def _append(self, item: Item) -> None:
        name, data = item.data["name"], item.data["data"]
        assert isinstance(name, str) and isinstance(data, bytes)
        if Path(name).name != name or name in ("", ".", ".."):
            raise HomeportError(f"{name!r} cannot be the name of a body", operation="copy", subject=name)
        self._spool.mkdir(mode=0o700, exist_ok=True)
        path = self._spool / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
        self._written.add(path)

    def _insert(self, item: Item) -> str:
        record = item.data["record"]
        assert isinstance(record, bytes)
        request = from_json(record, StoredRequest)
        self._db.execute(queries.INSERT, rows.request_row(request))
        n = self._db.last_insert_rowid()
        if len(request.body.inline) >= rows.ASIDE:
            self._db.execute(queries.INSERT_BODY, (n, request.body.inline))
        if request.response is not None:
            self._db.execute(queries.INSERT_RESPONSE, rows.response_row(n, request.response))
        return request.state.value

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise opening.translate(error, self._path) from error
        except OSError as error:
            kind = StorageFull if error.errno in opening._NO_ROOM else HomeportError
            raise kind(
                f"cannot copy the journal: {error.strerror}", operation="copy", subject=str(self._path)
            ) from error


def _plain(request: StoredRequest) -> StoredRequest:
    """Texts as every database can hold them: without NUL."""
    clean = replace(
        request, target=_text(request.target), key=_text(request.key), outcome=_text(request.outcome)
    )  # fmt: skip
    if request.response is None:
        return clean
    return replace(clean, response=replace(request.response, reason=_text(request.response.reason)))


def _told_plainly(change: Change) -> Change:
    return replace(change, target=_text(change.target), outcome=_text(change.outcome), said=_text(change.said))


def _text(value: str) -> str:
    return value.replace("\0", "\ufffd")
