# SPDX-License-Identifier: Apache-2.0
"""State in one SQLite file. SQL, schema and migrations are private to this folder; nothing else opens the file."""

from homeport.drivers.stores.sqlite.store import Options, SqliteStore

__all__ = ["Options", "SqliteStore"]
