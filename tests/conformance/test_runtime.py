# SPDX-License-Identifier: Apache-2.0
"""Every Runtime driver, and the fake, does the same."""

from __future__ import annotations

from functools import partial

import pytest

from homeport.drivers.runtimes.process.client import Options, ProcessRuntime
from homeport.model.workload import Workload
from homeport.testing.conformance.runtime import RealProgramsSuite, RuntimeSuite
from homeport.testing.keepers import RunningKeeper
from homeport.testing.programs import program
from homeport.testing.runtimes import FakeRuntime


class TestFakeRuntime(RuntimeSuite):
    @pytest.fixture
    async def runtime(self):
        runtime = FakeRuntime()
        yield runtime
        await runtime.close()

    @pytest.fixture
    def programs(self):
        def make(kind, *words, **changes):
            return Workload((kind, *words), code="/nowhere", port=8000)

        return make


@pytest.fixture(scope="module", params=["sandbox", "process"])
def keeper(request, tmp_path_factory):
    """With the walls of this machine, and as it is where bubblewrap is not to be had."""
    keeper = RunningKeeper(tmp_path_factory.mktemp("keeper"), bubblewrap=request.param == "sandbox")
    assert keeper.start() == "ready"
    yield keeper
    assert keeper.stop() == 0, keeper.said()


class TestProcessRuntime(RealProgramsSuite):
    @pytest.fixture
    async def runtime(self, keeper):
        runtime = ProcessRuntime(Options(keeper.paths.keeper_socket, keeper.paths.logs))
        yield runtime
        for status in await runtime.list():
            await runtime.stop(status.instance, grace=0)
            await runtime.forget(status.instance)
            await runtime.remove_logs(status.agent_id)
        await runtime.close()

    @pytest.fixture
    def programs(self, tmp_path):
        return partial(program, tmp_path / "code")
