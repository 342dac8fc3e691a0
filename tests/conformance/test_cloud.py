# SPDX-License-Identifier: Apache-2.0
"""Every Cloud driver, and the fake, does the same."""

from __future__ import annotations

import pytest

from homeport.drivers.clouds.local import LocalCloud, Options
from homeport.testing.clouds import FakeCloud
from homeport.testing.conformance.cloud import CloudSuite


class TestFakeCloud(CloudSuite):
    @pytest.fixture
    def cloud(self):
        return FakeCloud()


class TestLocalCloud(CloudSuite):
    @pytest.fixture
    def cloud(self, tmp_path):
        return LocalCloud(Options(register=tmp_path / "state" / "local-machines.json"))
