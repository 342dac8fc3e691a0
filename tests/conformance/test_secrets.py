# SPDX-License-Identifier: Apache-2.0
"""Every Secrets and Sealer driver, and the fakes, do the same."""

from __future__ import annotations

import pytest

from homeport.drivers.secrets.sealed import FernetSealer, Options, SealedSecrets
from homeport.drivers.stores.sql.sqlite import Options as StoreOptions
from homeport.drivers.stores.sql.sqlite import SqliteStore
from homeport.testing.conformance.secrets import SealerSuite, SecretsSuite
from homeport.testing.secrets import MemorySecrets, PlainSealer


class TestMemorySecrets(SecretsSuite):
    @pytest.fixture
    def secrets(self):
        return MemorySecrets()


class TestSealedSecrets(SecretsSuite):
    @pytest.fixture
    async def secrets(self, tmp_path):
        options = Options(tmp_path / "secrets.key")
        store = await SqliteStore.open(StoreOptions(tmp_path / "state.db"))
        yield SealedSecrets(options, store, FernetSealer(options))
        await store.close()


class TestPlainSealer(SealerSuite):
    @pytest.fixture
    def sealer(self):
        return PlainSealer()

    @pytest.fixture
    def other(self):
        return PlainSealer(b"another")


class TestFernetSealer(SealerSuite):
    @pytest.fixture
    def sealer(self, tmp_path):
        return FernetSealer(Options(tmp_path / "secrets.key"))

    @pytest.fixture
    def other(self, tmp_path):
        return FernetSealer(Options(tmp_path / "another.key"))
