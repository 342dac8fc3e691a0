# SPDX-License-Identifier: Apache-2.0
"""Every statement the store runs, named. `Writes` are those that the two databases say differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable, Select, and_, bindparam, cast, delete, func, null, select, union_all, update
from sqlalchemy import Integer as Int
from sqlalchemy import Text as Txt
from sqlalchemy.dialects import postgresql, sqlite

from homeport.drivers.stores.sql.schema import counter, number, records, tombstones
from homeport.model.place import end_of_prefix

DAY = 24 * 3600

_this_record = and_(
    records.c.kind == bindparam("b_kind"),
    records.c.namespace == bindparam("b_namespace"),
    records.c.key == bindparam("b_key"),
)

ONE = select(records.c.data, records.c.revision).where(_this_record)
REVISION = select(records.c.revision).where(_this_record)
DELETE = delete(records).where(_this_record)
UNBURY = delete(tombstones).where(
    tombstones.c.kind == bindparam("b_kind"),
    tombstones.c.namespace == bindparam("b_namespace"),
    tombstones.c.key == bindparam("b_key"),
)
LAST = select(counter.c.revision).with_for_update()
"""The first statement of whoever writes. SQLite leaves the lock out: there the whole file is locked already."""
COUNTED = update(counter).values(revision=bindparam("b_revision"))
FIRST_COUNT = counter.insert().values(id=1, revision=0)


@dataclass(frozen=True, slots=True)
class Writes:
    put: Executable
    bury: Executable
    forget_old: Executable


def _writes(insert: Any, now: Any) -> Writes:
    put = insert(records).values(
        kind=bindparam("b_kind"),
        namespace=bindparam("b_namespace"),
        key=bindparam("b_key"),
        data=bindparam("b_data"),
        revision=bindparam("b_revision"),
    )
    bury = insert(tombstones).values(
        kind=bindparam("b_kind"),
        namespace=bindparam("b_namespace"),
        key=bindparam("b_key"),
        revision=bindparam("b_revision"),
        deleted_at=now,
    )
    return Writes(
        put.on_conflict_do_update(
            index_elements=[records.c.kind, records.c.namespace, records.c.key],
            set_={"data": put.excluded.data, "revision": put.excluded.revision},
        ),
        bury.on_conflict_do_update(
            index_elements=[tombstones.c.kind, tombstones.c.namespace, tombstones.c.key],
            set_={"revision": bury.excluded.revision, "deleted_at": bury.excluded.deleted_at},
        ),
        delete(tombstones).where(tombstones.c.deleted_at < now - DAY),
    )


SQLITE = _writes(sqlite.insert, cast(func.strftime("%s", "now"), Int))
POSTGRES = _writes(postgresql.insert, cast(func.extract("epoch", func.now()), number))


def page(kind: str, namespace: str | None, prefix: str, after: str, limit: int) -> Select[tuple[str, str, str, int]]:
    """Records in key order. Over all namespaces the last key comes with all of them, so that paging loses none."""
    where = [records.c.kind == kind, records.c.key >= prefix, records.c.key > after]
    if (end := end_of_prefix(prefix)) is not None:
        where.append(records.c.key < end)
    found = select(records.c.namespace, records.c.key, records.c.data, records.c.revision)
    if namespace is not None:
        return found.where(*where, records.c.namespace == namespace).order_by(records.c.key).limit(limit)
    first = select(records.c.key).where(*where).order_by(records.c.key).limit(limit).subquery()
    last = select(func.max(first.c.key)).scalar_subquery()
    return found.where(*where, records.c.key <= last).order_by(records.c.key, records.c.namespace)


def changes(kind: str, namespace: str | None, after: int, limit: int) -> Select[tuple[str, str, str | None, int]]:
    """Writes and deletions above a revision, in order."""
    halves = []
    for table, data in ((records, records.c.data), (tombstones, cast(null(), Txt))):
        half = select(table.c.namespace, table.c.key, data.label("data"), table.c.revision)
        half = half.where(table.c.kind == kind, table.c.revision > after)
        halves.append(half if namespace is None else half.where(table.c.namespace == namespace))
    both = union_all(*halves).subquery()
    return select(both.c.namespace, both.c.key, both.c.data, both.c.revision).order_by(both.c.revision).limit(limit)
