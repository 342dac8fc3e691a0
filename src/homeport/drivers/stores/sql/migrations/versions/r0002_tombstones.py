# SPDX-License-Identifier: Apache-2.0
"""Deletions that watchers can see, and lists over all namespaces in key order without sorting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# On SQLite both are what their names say.
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("deleted_at", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "namespace", "key"),
    )
    op.create_index("tombstones_by_revision", "tombstones", ["kind", "revision"])
    op.create_index("tombstones_by_age", "tombstones", ["deleted_at"])
    op.create_index("records_by_key", "records", ["kind", "key", "namespace"])
