# SPDX-License-Identifier: Apache-2.0
"""Durable steps keep the same promises on a real PostgreSQL."""

from __future__ import annotations

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.testing.conformance.durable import DurableSuite


class TestDbosDurableOnPostgres(DurableSuite):
    @pytest.fixture
    async def durable(self, tmp_path, database):
        options = Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock", url=database)
        durable = DbosDurable(options)
        yield durable
        await durable.close()
        assert not options.database.exists()
