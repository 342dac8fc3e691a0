# SPDX-License-Identifier: Apache-2.0
"""State in a schema of a PostgreSQL database that several servers share."""

from homeport.drivers.stores.sql.postgres.store import Options, PostgresStore

__all__ = ["Options", "PostgresStore"]
