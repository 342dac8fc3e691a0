# SPDX-License-Identifier: Apache-2.0
"""How Alembic runs the revisions: on the connection it is given, all in that one transaction."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
