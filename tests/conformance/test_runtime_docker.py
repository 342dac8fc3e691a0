# SPDX-License-Identifier: Apache-2.0
"""The runtime of containers does what every runtime does, on a real engine."""

from __future__ import annotations

from functools import partial

import pytest

from docker_rig import far_listener, runtime_on
from homeport.testing.conformance.runtime import RealProgramsSuite
from homeport.testing.programs import program


class TestSealed(RealProgramsSuite):
    """On this machine's programs, without any network."""

    @pytest.fixture
    async def runtime(self, engine, tmp_path):
        async with runtime_on(engine, tmp_path) as runtime:
            yield runtime

    @pytest.fixture
    def programs(self, tmp_path):
        return partial(program, tmp_path / "code")

    @pytest.fixture
    async def outside(self, engine):
        with engine.inside(), far_listener(engine) as address:
            yield address
