# SPDX-License-Identifier: Apache-2.0
"""Deletions that watchers can see, and lists over all namespaces in key order without sorting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("deleted_at", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("kind", "namespace", "key"),
    )
    op.create_index("tombstones_by_revision", "tombstones", ["kind", "revision"])
    op.create_index("tombstones_by_age", "tombstones", ["deleted_at"])
    op.create_index("records_by_key", "records", ["kind", "key", "namespace"])
