# SPDX-License-Identifier: Apache-2.0
"""The schema as it is now. A change here is a new migration in `migrations/versions` and a line in `REVISIONS`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

REVISIONS = ("0001", "0002")
"""Every schema ever released, oldest first. The last is the one this program reads and writes."""

HALF_COPIED = "half-copied"
"""In place of a revision while the whole state is copied into a database, so that no server starts on half of it."""
SCHEMA = "homeport_store"
"""Of PostgreSQL: where these tables are."""

metadata = MetaData()
number = Integer().with_variant(BigInteger(), "postgresql")
name = Text().with_variant(Text(collation="C"), "postgresql")
"""In the order of code points on both, whatever the language of the database is."""

records = Table(
    "records",
    metadata,
    Column("kind", name, nullable=False),
    Column("namespace", name, nullable=False),
    Column("key", name, nullable=False),
    Column("data", Text, nullable=False),
    Column("revision", number, nullable=False),
    PrimaryKeyConstraint("kind", "namespace", "key"),
    Index("records_by_revision", "kind", "revision"),
    Index("records_by_key", "kind", "key", "namespace"),
)
"""`data` is the envelope of `model.codec.pack`: kind and version travel with the record."""

counter = Table(
    "counter",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    Column("revision", number, nullable=False),
)
"""One row: the revision of the last write to anything. Whoever writes locks it first and until its commit, so that
commits come in the order of revisions and a watcher that has seen one has seen all below it."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("kind", name, nullable=False),
    Column("namespace", name, nullable=False),
    Column("key", name, nullable=False),
    Column("revision", number, nullable=False),
    Column("deleted_at", number, nullable=False),
    PrimaryKeyConstraint("kind", "namespace", "key"),
    Index("tombstones_by_revision", "kind", "revision"),
    Index("tombstones_by_age", "deleted_at"),
)
"""What was deleted lately, for watchers. `deleted_at` is in seconds since the epoch, by the database's clock."""

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
