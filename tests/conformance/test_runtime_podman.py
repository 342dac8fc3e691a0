# SPDX-License-Identifier: Apache-2.0
"""The same runtime on Podman, by the interface it shares with Docker."""

from __future__ import annotations

from functools import partial

import pytest

from docker_rig import runtime_on
from homeport.testing.conformance.runtime import RealProgramsSuite, exit_of, printed
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

    async def test_a_flood_of_lines_is_rotated_and_followed_over_rotations(self, runtime, spec):
        """Podman cuts its file where it is full: the first line that is kept may be the end of one."""
        started = await runtime.start(spec("flood", "4000", log_bytes=200_000))
        await exit_of(runtime, started.instance)
        _, *lines = await printed(runtime, "agt_1")
        numbers = [int(text.split()[0]) for text in lines]
        assert numbers == list(range(numbers[0], 4000))
