# SPDX-License-Identifier: Apache-2.0
"""Every Durable driver, and the fake, keeps the same promises."""

from __future__ import annotations

import pytest

from homeport.drivers.durable.dbos import DbosDurable, Options
from homeport.testing.conformance.durable import DurableSuite
from homeport.testing.durables import MemoryDurable


class TestDbosDurable(DurableSuite):
    @pytest.fixture
    async def durable(self, tmp_path):
        durable = DbosDurable(Options(database=tmp_path / "durable.db", lock=tmp_path / "durable.lock"))
        yield durable
        await durable.close()


class TestMemoryDurable(DurableSuite):
    @pytest.fixture
    async def durable(self):
        durable = MemoryDurable()
        yield durable
        await durable.close()
