# SPDX-License-Identifier: Apache-2.0
"""State in one SQLite file that nothing else opens."""

from homeport.drivers.stores.sql.sqlite.store import Options, SqliteStore

__all__ = ["Options", "SqliteStore"]
