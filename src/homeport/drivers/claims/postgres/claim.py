# SPDX-License-Identifier: Apache-2.0
"""`interfaces.claim.Claim` on PostgreSQL.

The lock belongs to a session, so it needs a connection of its own that no pooler shares among clients. The server ends
a session that it has not heard of for `LEASE_S`: a machine that lost its power, or a process that hangs, does not hold
the claim for the two hours that TCP would take to notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg

from homeport.drivers.postgresql import connect, said
from homeport.errors import Unavailable
from homeport.interfaces.claim import Holder, Me, Seen
from homeport.model.database import check_database_url

T = TypeVar("T")
LEASE_S = 6
"""Confirm more often than this."""
CONNECT_S = 3
ANSWER_S = 3.0
_KEY = (0x686F6D65, 0x706F7274)
"""The advisory lock, within one database."""
_UNLOCK = "SELECT pg_advisory_unlock(%s::int, %s::int)"

_HELD = """
    SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND objsubid = 2),
           to_regclass('homeport_claim.holder') IS NOT NULL
"""
_TABLE = """
    CREATE SCHEMA IF NOT EXISTS homeport_claim;
    CREATE TABLE IF NOT EXISTS homeport_claim.holder (
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        node text NOT NULL, home text NOT NULL, seal bytea NOT NULL, since timestamptz NOT NULL DEFAULT now())
"""
_LAST = "SELECT node, home, (extract(epoch FROM since) * 1000000)::bigint, seal FROM homeport_claim.holder"
_RECORD = """
    INSERT INTO homeport_claim.holder AS old (node, home, seal) VALUES (%s, %s, %s)
    ON CONFLICT (one) DO UPDATE SET node = excluded.node, home = excluded.home, seal = excluded.seal,
        since = CASE WHEN (old.node, old.home) = (excluded.node, excluded.home) THEN old.since ELSE now() END
"""


@dataclass(frozen=True, slots=True)
class Options:
    url: str = field(repr=False)
    """postgresql://… as libpq reads it: the database that the servers share, reached directly, not through a pooler."""


class PostgresClaim:
    def __init__(self, options: Options) -> None:
        check_database_url(options.url)
        self._url = options.url
        self._session: psycopg.Connection[Any] | None = None
        self._held: Me | None = None
        self._turn = asyncio.Lock()

    async def look(self) -> Seen:
        return await self._ask(self._look)

    async def take(self, me: Me, seal: bytes, *, after: Me | None) -> Holder | None:
        return await self._ask(lambda: self._take(me, seal, after))

    async def confirm(self) -> bool:
        if self._held is None:
            return False
        try:
            await self._ask(lambda: self._held is not None and self._open().execute("SELECT 1"))
        except Unavailable:
            return False
        return self._held is not None

    async def close(self) -> None:
        async with self._turn:
            await asyncio.to_thread(self._give_back)

    # ── in a thread ──────────────────────────────────────────────────────────────────────────────────────────────
    def _twice(self, work: Callable[[], T]) -> T:
        """Where nothing was held, a session that was ended meanwhile costs nothing but another one."""
        if self._held is not None or self._session is None:
            return work()
        try:
            return work()
        except psycopg.OperationalError:
            self._let_go()
            return work()

    def _look(self) -> Seen:
        session = self._open()
        held, known = session.execute(_HELD, _KEY).fetchone() or (False, False)
        return Seen(bool(held), _last(session) if known else None)

    def _take(self, me: Me, seal: bytes, after: Me | None) -> Holder | None:
        session = self._open()
        if self._held == me:
            return _last(session)
        if not (session.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", _KEY).fetchone() or (False,))[0]:
            return None
        session.execute(_TABLE)
        last = _last(session)
        if (last.me if last else None) != after:
            session.execute(_UNLOCK, _KEY)
            return None
        session.execute(_RECORD, (me.node, me.home, seal))
        self._held = me
        return _last(session)

    def _open(self) -> psycopg.Connection[Any]:
        if self._session is None or self._session.closed:
            self._let_go()
            self._session = connect(self._url, "claim", connect_s=CONNECT_S, answer_s=ANSWER_S, autocommit=True)
            _expire(self._session)
        return self._session

    def _give_back(self) -> None:
        """At once, not when the server has noticed that the session ended."""
        try:
            if self._held is not None and self._session is not None:
                self._session.execute(_UNLOCK, _KEY)
        except psycopg.Error:
            pass  # then it ends with the session
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = self._held = None

    async def _ask(self, work: Callable[[], T]) -> T:
        async with self._turn:
            running = asyncio.ensure_future(asyncio.to_thread(self._twice, work))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])  # who closes must find what it has made
                raise
            except psycopg.Error as problem:
                await asyncio.to_thread(self._let_go)
                raise self._away(problem) from None

    def _away(self, problem: psycopg.Error) -> Unavailable:
        return Unavailable(
            f"PostgreSQL does not answer: {said(problem, self._url)}", operation="claim",
            hint="see whether the database server runs and can be reached",
        )  # fmt: skip


def _expire(session: psycopg.Connection[Any]) -> None:
    try:
        session.execute(f"SET idle_session_timeout = '{LEASE_S}s'")
    except psycopg.errors.UndefinedObject:  # before PostgreSQL 14: the next best, which is for lost machines only
        for name, value in (("idle", 2), ("interval", 1), ("count", LEASE_S)):
            session.execute(f"SET tcp_keepalives_{name} = {value}")


def _last(session: psycopg.Connection[Any]) -> Holder | None:
    row = session.execute(_LAST).fetchone()
    return None if row is None else Holder(Me(row[0], row[1]), row[2], bytes(row[3]))
