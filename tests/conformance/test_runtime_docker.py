# SPDX-License-Identifier: Apache-2.0
"""The runtime of containers does what every runtime does, on a real engine."""

from __future__ import annotations

import itertools
from functools import partial

import pytest

from homeport.drivers.runtimes.docker.runtime import DockerRuntime, Options
from homeport.testing.conformance.runtime import RealProgramsSuite
from homeport.testing.programs import program

_numbers = itertools.count(1)


class TestSealed(RealProgramsSuite):
    """On this machine's programs, without any network."""

    @pytest.fixture
    async def runtime(self, engine, tmp_path):
        options = Options(tmp_path / "docker", tmp_path / "logs", tmp_path, host=engine.host)
        runtime = DockerRuntime(options)
        yield runtime
        for status in await runtime.list():
            await runtime.stop(status.instance, grace=0)
            await runtime.forget(status.instance)
        await runtime.close()

    @pytest.fixture
    def programs(self, tmp_path):
        return partial(program, tmp_path / "code")
