# SPDX-License-Identifier: Apache-2.0
"""The schema as it is now. A change here is a new migration in `migrations/versions` and a line in `REVISIONS`."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text

REVISIONS = ("0001", "0002")
"""Every schema ever released, oldest first. The last is the one this program reads and writes."""

metadata = MetaData()

records = Table(
    "records",
    metadata,
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    PrimaryKeyConstraint("kind", "namespace", "key"),
    Index("records_by_revision", "kind", "revision"),
    Index("records_by_key", "kind", "key", "namespace"),
)
"""`data` is the envelope of `model.codec.pack`: kind and version travel with the record."""

counter = Table(
    "counter",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("revision", Integer, nullable=False),
)
"""One row: the revision of the last write to anything."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("deleted_at", Integer, nullable=False),
    PrimaryKeyConstraint("kind", "namespace", "key"),
    Index("tombstones_by_revision", "kind", "revision"),
    Index("tombstones_by_age", "deleted_at"),
)
"""What was deleted lately, for watchers. `deleted_at` is in seconds since the epoch, by SQLite's clock."""

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
