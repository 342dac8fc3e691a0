# SPDX-License-Identifier: Apache-2.0
"""`interfaces.journal.Journal` on PostgreSQL. Needs connections of its own: a pooler must not share them out."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from homeport.drivers.journals.postgres import keeping, operations, rows, statements
from homeport.drivers.journals.postgres.outbox import PostgresOutbox
from homeport.drivers.journals.postgres.reader import Reader
from homeport.drivers.journals.postgres.rows import Clocks
from homeport.drivers.journals.postgres.schema import migrate
from homeport.drivers.journals.postgres.session import Address, Connection, Session, away, translate
from homeport.drivers.journals.postgres.shelf import PostgresShelf
from homeport.drivers.journals.postgres.writer import Writer
from homeport.errors import Conflict, Unavailable
from homeport.interfaces.journal import Accepted, Overdue, Queue
from homeport.model.kept import ALL, Forgotten, Usage, Wanted
from homeport.model.request import RequestState, StoredRequest, StoredResponse

COPYING = 0x686F6D65_636F7079
"""Advisory lock of the database: shared by every gateway and store on it, exclusive while all of it is copied."""
FORMER_S = 3.0
"""Seconds that the connection of our former life has to end."""
FREIGHT_S = 900.0
"""Seconds that a large body may take; where the server is away, that ends it sooner."""
Rows = list[rows.Row]
Requests = list[StoredRequest]


def _wall_us() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Options:
    url: str = field(repr=False)
    """postgresql://…; it may hold a password and is never shown."""
    owner: str
    """This gateway's name, the same in every life, another for each gateway on the database."""


class PostgresJournal:
    """`open` it first. One of each owner at a time: the server holds its lock."""

    shared = True

    def __init__(self, options: Options, *, now_us: Callable[[], int] = _wall_us) -> None:
        self._address = Address(options.url)
        self._owner = options.owner
        self._clocks = Clocks(now_us)
        digest = hashlib.sha256(f"homeport journal {options.owner}".encode()).digest()
        self._lock = int.from_bytes(digest[:8], "big", signed=True)
        self._session = Session(self._address, self._take)
        self._former: tuple[int, Any] | None = None
        self._writer: Writer | None = None
        self._reader = Reader(self._address, 2)
        self._freight = Reader(self._address, 2, patience=FREIGHT_S)
        self.shelf = PostgresShelf(self._freight, options.owner)
        self._teller = Reader(self._address, 1)
        self.outbox = PostgresOutbox(self._teller, self._clocks)
        self._closed = False

    async def open(self) -> None:
        """Schema up to date, lock taken. Raises `Unavailable`, `Conflict` where the owner's name is in use,
        `HomeportError` for a newer or unfit database."""
        await asyncio.to_thread(self._open)
        self._writer = Writer(self._session, self._owner, self._clocks, self._give_up)

    def away(self) -> str:
        return away(self._address).message if self._writer is not None and self._writer.away else ""

    def accept(self, request: StoredRequest, *, urgent: bool = True) -> asyncio.Future[Accepted]:
        return self._write(operations.Accept(request))

    def complete(self, request_id: str, fence: int, response: StoredResponse) -> asyncio.Future[bool]:
        return self._write(operations.Complete(request_id, fence, response), urgent=False)

    async def lease(self, request_id: str, owner: str, until_us: int) -> StoredRequest | None:
        return await self._write(operations.Lease(request_id, owner, until_us))  # type: ignore[no-any-return]

    async def renew(self, held: Collection[tuple[str, int]], owner: str, until_us: int) -> set[str]:
        if not held:
            return set()
        return await self._write(operations.Renew(held, owner, until_us))  # type: ignore[no-any-return]

    async def release(
        self,
        request_id: str,
        fence: int,
        state: RequestState,
        *,
        outcome: str,
        not_before_us: int = 0,
        attempted: bool = True,
        response: StoredResponse | None = None,
    ) -> bool:
        rest = (outcome, not_before_us)
        one = operations.Release(request_id, fence, state, *rest, attempted=attempted, response=response)
        return await self._write(one)  # type: ignore[no-any-return]

    async def abandon(self, request_id: str, state: RequestState, *, outcome: str) -> bool:
        return await self._write(operations.Abandon(request_id, state, outcome))  # type: ignore[no-any-return]

    async def replay(self, request_id: str) -> StoredRequest | None:
        return await self._write(operations.Replay(request_id))  # type: ignore[no-any-return]

    async def put_note(self, name: str, value: bytes) -> None:
        await self._write(operations.PutNote(self._owner, name, value))

    async def pending(self, namespace: str, agent: str, *, limit: int = 100) -> Requests:
        return await self._rows(statements.PENDING, (namespace, agent, limit))

    async def due(self, namespace: str, agent: str, *, now_us: int, furthest_us: int, limit: int = 100) -> Requests:
        times = (self._clocks.to_server(now_us), self._clocks.to_server(furthest_us))
        return await self._rows(statements.DUE, (namespace, agent, *times, limit))

    async def waiting(self, namespace: str, agent: str, *, most: int) -> int:
        return int((await self._ask(statements.WAITING, (namespace, agent, most)))[0][0])

    async def expiring(self, *, limit: int = 100) -> Requests:
        return await self._rows(statements.EXPIRING, (limit,))

    async def interrupted(self, *, owner: str, now_us: int, limit: int = 100) -> Requests:
        def find(connection: Connection) -> Rows:
            self._clocks.measure(connection)
            values = (owner, self._clocks.to_server(now_us), limit)
            return connection.execute(statements.INTERRUPTED, values, binary=True).fetchall()

        if self.away():
            raise away(self._address)
        return [rows.stored(row, self._clocks) for row in await self._reader.ask(find)]

    async def get(self, request_id: str) -> StoredRequest | None:
        found = await self._rows(statements.BY_ID, (request_id,))
        return found[0] if found else None

    async def by_key(self, namespace: str, agent: str, agent_id: str, key: str) -> StoredRequest | None:
        found = await self._rows(statements.BY_KEY, (namespace, agent, agent_id, rows.text(key)))
        return found[0] if found else None

    async def list(
        self, namespace: str, wanted: Wanted = ALL, *, after: str = "", limit: int = 100, newer: str = ""
    ) -> Requests:
        lowest, highest = wanted.statuses()
        values = asdict(wanted) | {"namespace": namespace, "after": after, "newer": newer, "limit": limit}
        values |= {"key": rows.text(wanted.key), "lowest": lowest, "highest": highest}
        return await self._rows(statements.LIST_NEWER if newer else statements.LIST, values)

    async def usage(self) -> dict[tuple[str, str], Usage]:
        return keeping.usage(await self._ask(statements.USAGE, ()))

    async def finished(self, *, after: str = "", limit: int = 1000) -> Overdue:
        return keeping.finished(await self._ask(statements.ALL_FINISHED, (after, limit)), self._clocks)

    async def forget(self, request_ids: Sequence[str]) -> Forgotten:
        if self.away():
            raise away(self._address)
        return await self._freight.ask(lambda connection: keeping.forget(connection, request_ids, self._owner))

    async def backlog(self) -> dict[tuple[str, str], int]:
        found = await self._ask(statements.BACKLOG, ())
        return {(namespace, agent): n for namespace, agent, n in found}

    async def queues(self) -> dict[tuple[str, str], Queue]:
        found = await self._ask(statements.QUEUES, ())
        return {(namespace, agent): Queue(n, at_us) for namespace, agent, n, at_us in found}

    async def sizes(self) -> dict[str, int]:
        return {name: int(size) for name, size in await self._ask(statements.SIZES, ())}

    async def counts(self) -> dict[RequestState, int]:
        found = {state: int(n) for state, n in await self._ask(statements.COUNTS, ())}
        return {state: found.get(state.value, 0) for state in RequestState}

    async def get_note(self, name: str) -> bytes | None:
        found = await self._ask(statements.GET_NOTE, (self._owner, name))
        return bytes(found[0][0]) if found else None

    async def notes(self, name: str) -> dict[str, bytes]:
        return {owner: bytes(value) for owner, value in await self._ask(statements.NOTES, (name,))}

    def sync_seconds(self) -> float:
        durations = list(self._writer.durations) if self._writer is not None else []
        return statistics.median(durations) if durations else 0.0

    def watch_syncs(self, told: Callable[[float], None]) -> None:
        assert self._writer is not None, "open it first"
        self._writer.told = told

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._writer is not None:
            await self._writer.stop()
        await self._reader.close()
        await self._freight.close()
        await self._teller.close()

    def _write(self, operation: operations.Operation, *, urgent: bool = True) -> asyncio.Future[Any]:
        if self._writer is None:
            raise Unavailable("the journal is not open", operation="use the journal", subject=self._address.label)
        return self._writer.submit(operation, urgent=urgent)

    async def _rows(self, sql: str, values: Any) -> Requests:
        return [rows.stored(row, self._clocks) for row in await self._ask(sql, values)]

    async def _ask(self, sql: str, values: Any) -> Rows:
        if self.away():
            raise away(self._address)
        return await self._reader.ask(lambda connection: connection.execute(sql, values, binary=True).fetchall())

    def _give_up(self) -> None:
        self._reader.give_up()
        self._freight.give_up()
        self._teller.give_up()

    # ── on the threads ───────────────────────────────────────────────────────────────────────────────────────────
    def _open(self) -> None:
        deadline = time.monotonic() + FORMER_S
        while True:
            try:
                self._session.connection()
                return
            except Conflict:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            except Exception as error:
                raise translate(error, self._address) from error

    def _take(self, connection: Connection) -> None:
        """What the writing connection is, beside a connection: the owner's only one, and synced to disk.

        Whoever holds the lock knows that no transaction of a former connection is still to come.
        """
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
        self._keep_copies_out(connection)
        migrate(connection, self._address.label)
        if self._former is not None:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s",
                self._former,
            )
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (self._lock,)).fetchone()
        if row is None or not row[0]:
            raise Conflict(
                f"another gateway by the name {self._owner!r} uses the journal in {self._address.label}",
                operation="open the journal",
                subject=self._owner,
                hint="give every server on one database a name of its own: HOMEPORT_NODE",
            )
        self._former = connection.execute(
            "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchone()
        self._clocks.measure(connection, anew=True)

    def _keep_copies_out(self, connection: Connection) -> None:
        row = connection.execute("SELECT pg_try_advisory_lock_shared(%s)", (COPYING,)).fetchone()
        if row is None or not row[0]:
            raise Unavailable(
                f"the state in {self._address.label} is being copied",
                operation="open the journal",
                subject=self._address.label,
                hint="wait until `homeport store copy` has ended",
            )
