# SPDX-License-Identifier: Apache-2.0
"""`interfaces.outbox.Outbox` beside the requests: triggers write it, in the transaction of each change."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import astuple
from typing import Any, TypeVar

import apsw

from homeport.drivers.journals.sqlite.writer import Batch, Writer
from homeport.model.request import RequestState
from homeport.model.webhook import Change, HookCount

T = TypeVar("T")
SLICE = 2000
"""Rows that are removed in one transaction."""
DAY_US = 86_400 * 10**6
_COUNTED = 100_000
_ROW = (
    "seq, id, hook, request, namespace, agent, method, target, state, attempts, outcome, status, at_us, since_us,"
    " standing, tries, not_before_us, code, said, settled_at_us"
)
_READY = "hook = {} AND standing = 'waiting' AND lease_until_us <= :now AND not_before_us {}"
# Each a range of one index: first what was deferred, then what is new, then what a clock since set back deferred.
_RANGES = ("BETWEEN 1 AND :now", "= 0", "> :now + :day")
_ANY = " OR ".join(f"EXISTS (SELECT 1 FROM outbox WHERE {_READY.format('h.value', one)})" for one in _RANGES)
_DUE = f"SELECT h.value FROM json_each(:hooks) h WHERE h.value NOT IN (SELECT hook FROM stopped_hooks) AND ({_ANY})"
_FIRST = (
    "NOT EXISTS (SELECT 1 FROM outbox e WHERE e.request = o.request AND +e.hook = o.hook AND e.standing = 'waiting'"
    " AND e.seq < o.seq)"
)
_CLAIMS = tuple(
    "UPDATE outbox SET lease_owner = :owner, lease_until_us = :until WHERE seq IN (SELECT seq FROM outbox o"
    f" WHERE {_READY.format(':hook', one)} AND {_FIRST}"
    " AND hook NOT IN (SELECT hook FROM stopped_hooks) ORDER BY not_before_us, seq LIMIT :limit)"
    f" RETURNING {_ROW}"
    for one in _RANGES
)
# Those behind it wait with it, so that nobody looks at them in vain.
_BEHIND = (
    "UPDATE outbox SET not_before_us = ?1 WHERE standing = 'waiting'"
    " AND request = (SELECT request FROM outbox WHERE id = ?2) AND +hook = (SELECT hook FROM outbox WHERE id = ?2)"
)
_RECLAIM = "UPDATE outbox SET lease_owner = '', lease_until_us = 0 WHERE standing = 'waiting' AND lease_owner = ?"
_SETTLE = (
    "UPDATE outbox SET standing = ?, code = ?, said = ?, settled_at_us = ?, tries = tries + 1, lease_owner = '',"
    " lease_until_us = 0, not_before_us = 0 WHERE id = ? AND lease_owner = ? AND standing = 'waiting'"
)
_DEFER = (
    "UPDATE outbox SET code = ?, said = ?, not_before_us = ?, tries = tries + ?, lease_owner = '', lease_until_us = 0"
    " WHERE id = ? AND lease_owner = ? AND standing = 'waiting'"
)
_STOP = (
    "INSERT INTO stopped_hooks (hook, at_us, why) VALUES (?, ?, ?)"
    " ON CONFLICT (hook) DO UPDATE SET at_us = excluded.at_us, why = excluded.why"
)
_GIVE_UP_ALL = (
    "UPDATE outbox SET standing = 'dead', said = ?, settled_at_us = ?, lease_owner = '', lease_until_us = 0"
    " WHERE hook = ? AND standing = 'waiting'"
)
_RETRY = (
    "UPDATE outbox SET standing = 'waiting', since_us = :now, not_before_us = 0, settled_at_us = 0"
    " WHERE hook = :hook AND standing = 'dead' AND (:ids = '[]' OR id IN (SELECT value FROM json_each(:ids)))"
)
_CHANGES = (
    f"SELECT {_ROW} FROM outbox WHERE hook = :hook AND (:standing = '' OR standing = :standing)"
    " AND (:after = 0 OR seq < :after) ORDER BY seq DESC LIMIT :limit"
)
_SOME = "(SELECT count(*) FROM (SELECT 1 FROM outbox WHERE hook = h.hook AND standing = '{}' LIMIT :most))"
_COUNTS = (
    f"SELECT hook, {_SOME.format('waiting')}, {_SOME.format('dead')},"
    " coalesce((SELECT why FROM stopped_hooks s WHERE s.hook = h.hook), '')"
    " FROM (SELECT DISTINCT hook FROM outbox UNION SELECT hook FROM stopped_hooks) h"
)
_FORGET = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE hook = ? LIMIT ?)"
_SWEEP = (
    "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox WHERE standing <> 'waiting' AND"
    " (seq <= (SELECT seq FROM outbox WHERE standing <> 'waiting' ORDER BY seq DESC LIMIT 1 OFFSET :most)"
    " OR settled_at_us < CASE standing WHEN 'dead' THEN :dead ELSE :delivered END) ORDER BY seq LIMIT :slice)"
)
_KEPT = _ROW.removeprefix("seq, ")
ALL = f"SELECT {_ROW} FROM outbox ORDER BY seq"
ALL_STOPPED = "SELECT hook, at_us, why FROM stopped_hooks ORDER BY hook"
PUT = f"INSERT INTO outbox ({_KEPT}) VALUES ({', '.join(['?'] * len(_KEPT.split(',')))})"
PUT_STOPPED = "INSERT INTO stopped_hooks (hook, at_us, why) VALUES (?, ?, ?)"


class SqliteOutbox:
    def __init__(
        self, writer: Writer, read: Callable[[Callable[[apsw.Connection], list[Any]]], Awaitable[list[Any]]]
    ) -> None:
        """`read` asks on a connection for readers."""
        self._writer, self._read = writer, read

    async def due(self, hooks: Collection[str], *, now_us: int) -> set[str]:
        values = {"hooks": json.dumps(list(hooks)), "now": now_us, "day": DAY_US}
        return {row[0] for row in await self._ask(_DUE, values)}

    async def claim(self, hook: str, owner: str, *, now_us: int, until_us: int, limit: int) -> list[Change]:
        values = {"hook": hook, "owner": owner, "now": now_us, "until": until_us, "limit": limit, "day": DAY_US}

        def work(batch: Batch) -> list[Change]:
            found: list[Change] = []
            for claim in _CLAIMS:
                rows = batch.db.execute(claim, values | {"limit": limit - len(found)}).fetchall()
                found += sorted((_change(row) for row in rows), key=lambda change: change.seq)
            return found

        return await self._write(work)

    async def reclaim(self, owner: str) -> None:
        await self._changed(_RECLAIM, (owner,))

    async def deliver(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return await self._moved(_SETTLE, ("delivered", code, said, at_us, change_id, owner), change_id, 0)

    async def defer(
        self, change_id: str, owner: str, *, code: int, said: str, not_before_us: int, counted: bool = True
    ) -> bool:
        values = (code, said, not_before_us, int(counted), change_id, owner)
        return await self._moved(_DEFER, values, change_id, not_before_us)

    async def bury(self, change_id: str, owner: str, *, code: int, said: str, at_us: int) -> bool:
        return await self._moved(_SETTLE, ("dead", code, said, at_us, change_id, owner), change_id, 0)

    async def stop(self, hook: str, why: str, *, at_us: int) -> int:
        def work(batch: Batch) -> int:
            batch.db.execute(_STOP, (hook, at_us, why))
            batch.db.execute(_GIVE_UP_ALL, (why, at_us, hook))
            return int(batch.db.changes())

        return await self._write(work)

    async def resume(self, hook: str) -> None:
        await self._changed("DELETE FROM stopped_hooks WHERE hook = ?", (hook,))

    async def retry(self, hook: str, change_ids: Collection[str], *, now_us: int) -> int:
        return await self._changed(_RETRY, {"hook": hook, "ids": json.dumps(list(change_ids)), "now": now_us})

    async def changes(self, hook: str, *, standing: str = "", after: int = 0, limit: int = 100) -> list[Change]:
        values = {"hook": hook, "standing": standing, "after": after, "limit": limit}
        return [_change(row) for row in await self._ask(_CHANGES, values)]

    async def counted(self) -> dict[str, HookCount]:
        found = await self._ask(_COUNTS, {"most": _COUNTED})
        return {hook: HookCount(*rest) for hook, *rest in found if any(rest)}

    async def forget(self, hook: str) -> int:
        def work(batch: Batch) -> int:
            batch.db.execute("DELETE FROM stopped_hooks WHERE hook = ?", (hook,))
            batch.db.execute(_FORGET, (hook, SLICE))
            return int(batch.db.changes())

        return await self._write(work)

    async def sweep(self, *, delivered_before_us: int, dead_before_us: int, most: int) -> int:
        values = {"delivered": delivered_before_us, "dead": dead_before_us, "most": most, "slice": SLICE}
        return await self._changed(_SWEEP, values, aside=True)

    async def _moved(self, sql: str, values: Any, change_id: str, not_before_us: int) -> bool:
        """Whether it was; those behind it go on, or wait, with it."""

        def work(batch: Batch) -> bool:
            batch.db.execute(sql, values)
            done = batch.db.changes() == 1
            if done:
                batch.db.execute(_BEHIND, (not_before_us, change_id))
            return done

        return await self._write(work)

    async def _ask(self, sql: str, values: Any) -> list[Any]:
        return await self._read(lambda db: db.execute(sql, values).fetchall())

    async def _changed(self, sql: str, values: Any, *, aside: bool = False) -> int:
        def work(batch: Batch) -> int:
            batch.db.execute(sql, values)
            return int(batch.db.changes())

        return await (self._writer.submit_aside(work) if aside else self._write(work))

    async def _write(self, work: Callable[[Batch], T]) -> T:
        return await self._writer.submit(work, urgent=False)


def _change(row: tuple[Any, ...]) -> Change:
    fields: Any = (*row[:8], RequestState(row[8]), *row[9:])
    return Change(*fields)


def plain(row: tuple[Any, ...]) -> Change:
    """Of `ALL`, without its number, which is another in every database."""
    return _change((0, *row[1:]))


def columns(change: Change) -> tuple[Any, ...]:
    """In the order of `PUT`."""
    return astuple(change)[1:]
