# SPDX-License-Identifier: Apache-2.0
"""A backup says whose data it cannot have, because a container engine keeps it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backup_homes import agent
from docker_rig import runtime_on
from homeport.app.backups.apart import kept_apart
from homeport.app.runtimes import Runtimes
from homeport.drivers.runtimes.docker.runtime import DockerRuntime, Options
from homeport.testing.servers.engine import DockerEngine, Engine, missing

BOXED = replace(agent("boxed"), workload=replace(agent("boxed").workload, runtime="docker"))


@pytest.fixture
def far_engine(tmp_path: Path) -> Iterator[DockerEngine]:
    """An engine that does not see the folders of this test."""
    if reason := missing():
        pytest.skip(reason)
    with DockerEngine(network="host", hidden=tmp_path) as found:
        yield found


def runtimes(docker: Any) -> Runtimes:
    unused: Any = None
    return Runtimes({"docker": lambda: docker, "process": lambda: unused}, unused)


async def test_data_in_an_engine_that_does_not_see_our_folders_is_said_to_be_left_out(
    far_engine: DockerEngine, tmp_path: Path
) -> None:
    async with runtime_on(far_engine, tmp_path) as docker:
        found = await kept_apart([BOXED, agent("plain")], runtimes(docker))
    assert list(found) == ["agt_boxed"] and "the data of boxed: its container engine keeps it" in found["agt_boxed"]


async def test_data_in_folders_is_not_mentioned(engine: Engine, tmp_path: Path) -> None:
    async with runtime_on(engine, tmp_path) as docker:
        assert await kept_apart([BOXED], runtimes(docker)) == {}


async def test_an_engine_that_is_away_leaves_it_unknown(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/nobody.sock"
    docker = DockerRuntime(Options(tmp_path / "docker", tmp_path / "logs", tmp_path, host=host))
    try:
        assert "is not known" in (await kept_apart([BOXED], runtimes(docker)))["agt_boxed"]
    finally:
        await docker.close()
