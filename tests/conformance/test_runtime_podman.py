# SPDX-License-Identifier: Apache-2.0
"""The same runtime on Podman, by the interface it shares with Docker."""

from __future__ import annotations

from functools import partial

import pytest

from docker_rig import runtime_on
from homeport.testing.conformance.runtime import RealProgramsSuite, exit_of
from homeport.testing.programs import program
from homeport.testing.servers import podman as podmans


@pytest.fixture(scope="module")
def podman():
    if reason := podmans.missing():
        pytest.skip(reason)
    with podmans.PodmanEngine() as found:
        yield found


class TestPodman(RealProgramsSuite):
    @pytest.fixture
    async def runtime(self, podman, tmp_path):
        async with runtime_on(podman, tmp_path) as runtime:
            yield runtime

    @pytest.fixture
    def programs(self, tmp_path):
        return partial(program, tmp_path / "code")

    async def test_oom_is_told_when_the_kernel_counted_one(self, runtime, spec):
        """Where Podman learns of it, which it does not on every machine: then it is the SIGKILL that it is."""
        started = await runtime.start(spec("oom"))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit.signal == 9

    async def test_without_network_nothing_outside_can_be_reached(self, runtime, spec, outside):
        """With network it takes Podman's own network plugins, which this test does not ask for."""
        started = await runtime.start(spec("dial", outside[0], str(outside[1]), job=True))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit.code == 1
