# SPDX-License-Identifier: Apache-2.0
"""`interfaces.outbox.Outbox` beside the requests: a trigger writes it, in the transaction of each change.

What is done with it goes over a connection of its own. Each call is one statement; repeating it is harmless.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, replace
from typing import Any

from homeport.drivers.journals.postgres.reader import Reader
from homeport.drivers.journals.postgres.rows import Clocks, Row, text
from homeport.drivers.journals.postgres.session import Connection
from homeport.model.request import RequestState
from homeport.model.webhook import Change, HookCount

SLICE = 2000
"""Rows that are removed in one transaction."""
DAY_US = 86_400 * 10**6
_COUNTED = 100_000
_COLUMNS = (
    "seq, id, hook, request, namespace, agent, method, target, state, attempts, outcome, status, at_us, since_us,"
    " standing, tries, not_before_us, code, said, settled_at_us"
)
_READY = "hook = {} AND standing = 'waiting' AND lease_until_us <= %(now)s AND not_before_us {}"
# Each a range of one index: first what was deferred, then what is new, then what a clock since set back deferred.
_RANGES = ("BETWEEN 1 AND %(now)s", "= 0", "> %(now)s + %(day)s")
_ANY = " OR ".join(f"EXISTS (SELECT FROM outbox WHERE {_READY.format('h.hook', one)})" for one in _RANGES)
_GOES = "NOT EXISTS (SELECT FROM stopped_hooks s WHERE s.hook = {})"
_DUE = f"SELECT h.hook FROM unnest(%(hooks)s::text[]) AS h (hook) WHERE {_GOES.format('h.hook')} AND ({_ANY})"
# Another gateway that claims at the same moment has locked its rows: they are passed over.
_CLAIMS = tuple(
    "WITH chosen AS (SELECT seq FROM outbox o"
    f" WHERE {_READY.format('%(hook)s', one)} AND {_GOES.format('o.hook')}"
    " AND NOT EXISTS (SELECT FROM outbox e WHERE e.request = o.request AND e.hook = o.hook"
    " AND e.standing = 'waiting' AND e.seq < o.seq) ORDER BY not_before_us, seq LIMIT %(limit)s"
    " FOR UPDATE SKIP LOCKED)"
    " UPDATE outbox r SET lease_owner = %(owner)s, lease_until_us = %(until)s FROM chosen c WHERE r.seq = c.seq"
    f" RETURNING {', '.join(f'r.{name}' for name in _COLUMNS.split(', '))}"
    for one in _RANGES
)
# Those behind it go on, or wait, with it, so that nobody looks at them in vain.
_WITH_IT = (
    "WITH moved AS ({} RETURNING id, request, hook, not_before_us), behind AS (UPDATE outbox o"
    " SET not_before_us = m.not_before_us FROM moved m WHERE o.request = m.request AND o.hook = m.hook"
    " AND o.standing = 'waiting' AND o.id <> m.id) SELECT id FROM moved"
)
_RECLAIM = "UPDATE outbox SET lease_owner = '', lease_until_us = 0 WHERE standing = 'waiting' AND lease_owner = %s"
_SETTLE = _WITH_IT.format(
    "UPDATE outbox SET standing = %s, code = %s, said = %s, settled_at_us = %s, tries = tries + 1, lease_owner = '',"
    " lease_until_us = 0, not_before_us = 0 WHERE id = %s AND lease_owner = %s AND standing = 'waiting'"
)
_DEFER = _WITH_IT.format(
    "UPDATE outbox SET code = %s, said = %s, not_before_us = %s, tries = tries + %s, lease_owner = '',"
    " lease_until_us = 0 WHERE id = %s AND lease_owner = %s AND standing = 'waiting'"
)
_STOP = (
    "WITH noted AS (INSERT INTO stopped_hooks (hook, at_us, why) VALUES (%(hook)s, %(at)s, %(why)s)"
    " ON CONFLICT (hook) DO UPDATE SET at_us = excluded.at_us, why = excluded.why)"
    " UPDATE outbox SET standing = 'dead', said = %(why)s, settled_at_us = %(at)s, lease_owner = '',"
    " lease_until_us = 0 WHERE hook = %(hook)s AND standing = 'waiting'"
)
_RETRY = (
    "UPDATE outbox SET standing = 'waiting', since_us = %(now)s, not_before_us = 0, settled_at_us = 0"
    " WHERE hook = %(hook)s AND standing = 'dead' AND (cardinality(%(ids)s::text[]) = 0 OR id = ANY (%(ids)s))"
)
_CHANGES = (
    f"SELECT {_COLUMNS} FROM outbox WHERE hook = %(hook)s AND (%(standing)s::text = '' OR standing = %(standing)s)"
    " AND (%(after)s::bigint = 0 OR seq < %(after)s) ORDER BY seq DESC LIMIT %(limit)s"
)
_SOME = "(SELECT count(*) FROM (SELECT FROM outbox WHERE hook = h.hook AND standing = '{}' LIMIT %(most)s) AS found)"
_COUNTS = (
    f"SELECT hook, {_SOME.format('waiting')}, {_SOME.format('dead')},"
    " coalesce((SELECT why FROM stopped_hooks s WHERE s.hook = h.hook), '')"
    " FROM (SELECT DISTINCT hook FROM outbox UNION SELECT hook FROM stopped_hooks) AS h"
)
_FORGET = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE hook = %s LIMIT %s)"
_SWEEP = (
    "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE standing <> 'waiting' AND"
    " (seq <= (SELECT seq FROM outbox WHERE standing <> 'waiting' ORDER BY seq DESC LIMIT 1 OFFSET %(most)s)"
    " OR settled_at_us < CASE standing WHEN 'dead' THEN %(dead)s::bigint ELSE %(delivered)s END)"
    " ORDER BY seq LIMIT %(slice)s)"
)
_KEPT = _COLUMNS.removeprefix("seq, ")
ALL = f"SELECT {_COLUMNS} FROM outbox ORDER BY seq"
ALL_STOPPED = "SELECT hook, at_us, why FROM stopped_hooks ORDER BY hook"
PUT = f"INSERT INTO outbox ({_KEPT}) VALUES ({', '.join(['%s'] * len(_KEPT.split(',')))})"
PUT_STOPPED = "INSERT INTO stopped_hooks (hook, at_us, why) VALUES (%s, %s, %s)"


class PostgresOutbox:
    def __init__(self, reader: Reader, clocks: Clocks) -> None:
        self._reader, self._clocks = reader, clocks

    async def due(self, hooks: Collection[str], *, now_us: int) -> set[str]:
        values = {"hooks": list(hooks), "now": self._clocks.to_server(now_us), "day": DAY_US}
        return {row[0] for row in await self._rows(_DUE, values)}

    async def claim(self, hook: str, owner: str, *, now_us: int, until_us: int, limit: int) -> list[Change]:
        times = {"now": self._clocks.to_server(now_us), "until": self._clocks.to_server(until_us), "day": DAY_US}
        found: list[Change] = []
        for claim in _CLAIMS:
            if len(found) < limit:
                rows = await self._rows(claim, {"hook": hook, "owner": owner, "limit": limit - len(found), **times})
                found += sorted((self._change(row) for row in rows), key=lambda change: change.seq)
        return found

    async def reclaim(self, owner: str) -> None:
        await self._changed(_RECLAIM, (owner,))

    async def deliver(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return await self._settle("delivered", change_id, owner, code, said, at_us)

    async def defer(
        self, change_id: str, owner: str, *, code: int, said: str, not_before_us: int, counted: bool = True
    ) -> bool:
        later = self._clocks.to_server(not_before_us)
        return await self._changed(_DEFER, (code, text(said), later, int(counted), change_id, owner)) == 1

    async def bury(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return await self._settle("dead", change_id, owner, code, said, at_us)

    async def stop(self, hook: str, why: str, *, at_us: int) -> int:
        return await self._changed(_STOP, {"hook": hook, "why": text(why), "at": self._clocks.to_server(at_us)})

    async def resume(self, hook: str) -> None:
        await self._changed("DELETE FROM stopped_hooks WHERE hook = %s", (hook,))

    async def retry(self, hook: str, change_ids: Collection[str], *, now_us: int) -> int:
        values = {"hook": hook, "ids": list(change_ids), "now": self._clocks.to_server(now_us)}
        return await self._changed(_RETRY, values)

    async def changes(self, hook: str, *, standing: str = "", after: int = 0, limit: int = 100) -> list[Change]:
        values = {"hook": hook, "standing": standing, "after": after, "limit": limit}
        return [self._change(row) for row in await self._rows(_CHANGES, values)]

    async def counted(self) -> dict[str, HookCount]:
        found = await self._rows(_COUNTS, {"most": _COUNTED})
        return {
            hook: HookCount(int(waiting), int(dead), why)
            for hook, waiting, dead, why in found
            if waiting or dead or why
        }

    async def forget(self, hook: str) -> int:
        await self.resume(hook)
        return await self._changed(_FORGET, (hook, SLICE))

    async def sweep(self, *, delivered_before_us: int, dead_before_us: int, most: int) -> int:
        times = {
            "delivered": self._clocks.to_server(delivered_before_us),
            "dead": self._clocks.to_server(dead_before_us),
        }
        return await self._changed(_SWEEP, {"most": most, "slice": SLICE, **times})

    async def _settle(self, standing: str, change_id: str, owner: str, code: int, said: str, at_us: int) -> bool:
        values = (standing, code, text(said), self._clocks.to_server(at_us), change_id, owner)
        return await self._changed(_SETTLE, values) == 1

    async def _rows(self, sql: str, values: Any) -> list[Row]:
        return await self._reader.ask(lambda connection: connection.execute(sql, values, binary=True).fetchall())

    async def _changed(self, sql: str, values: Any) -> int:
        def work(connection: Connection) -> int:
            return connection.execute(sql, values).rowcount

        return await self._reader.ask(work)

    def _change(self, row: Row) -> Change:
        change, here = plain(row), self._clocks.to_caller
        return replace(
            change, seq=row[0], since_us=here(change.since_us),
            not_before_us=here(change.not_before_us), settled_at_us=here(change.settled_at_us),
        )  # fmt: skip


def plain(row: Row) -> Change:
    """Of `ALL`, with its times as they are, and without its number, which is another in every database."""
    fields: Any = (0, *row[1:8], RequestState(row[8]), *row[9:])
    return Change(*fields)


def columns(change: Change) -> Row:
    """In the order of `PUT`."""
    return astuple(change)[1:]
