# SPDX-License-Identifier: Apache-2.0
"""Records and the counter of revisions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# On SQLite both are what their names say.
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "records",
        sa.Column("kind", NAME, nullable=False),
        sa.Column("namespace", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("kind", "namespace", "key"),
    )
    op.create_index("records_by_revision", "records", ["kind", "revision"])
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("revision", NUMBER, nullable=False),
    )
    op.execute("INSERT INTO counter (id, revision) VALUES (1, 0)")
