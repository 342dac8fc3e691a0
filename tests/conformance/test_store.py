# SPDX-License-Identifier: Apache-2.0
"""Every Store driver, and the fake, does the same."""

from __future__ import annotations

import pytest

from homeport.drivers.stores.sql.postgres import Options as PostgresOptions
from homeport.drivers.stores.sql.postgres import PostgresStore
from homeport.drivers.stores.sql.sqlite import Options, SqliteStore
from homeport.testing.conformance.store import StoreSuite
from homeport.testing.stores import MemoryStore


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    async def store(self):
        store = MemoryStore()
        yield store
        await store.close()


class TestSqliteStore(StoreSuite):
    @pytest.fixture
    async def store(self, tmp_path):
        store = await SqliteStore.open(Options(tmp_path / "state.db"))
        yield store
        await store.close()


class TestPostgresStore(StoreSuite):
    @pytest.fixture
    async def store(self, database):
        store = await PostgresStore.open(PostgresOptions(database))
        yield store
        await store.close()
