# SPDX-License-Identifier: Apache-2.0
"""A home of its own for each test that asks for one, and a check that nothing outlives it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from cgroups import cgroups
from homeport.testing.servers import engine as engines
from homeport.testing.servers.baseimage import base_image
from homeport.testing.servers.engine import DockerEngine, Engine
from homeport.testing.servers.postgres import PostgresServer
from homes import Home, free_port

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")  # how long an example takes says how busy the machine is, no more


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all homes keep compiled modules: nothing beside the sources, and compiled once a run."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"


@pytest.fixture
def home(compiled: Path) -> Iterator[Home]:
    folder = Path(tempfile.mkdtemp(prefix="hp-flow-"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "HOMEPORT_HOME": str(folder / "home"),
        "HOMEPORT_API_LISTEN": f"127.0.0.1:{free_port()}",
        "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        "PYTHONPYCACHEPREFIX": str(compiled),
    }
    (folder / "home").mkdir()
    made = Home(folder / "home", env)
    yield made
    made.stop()
    left = made.pids()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    groups = [str(g) for g in cgroups("agt_*") if g.name.rpartition("-")[0] in made.seen_agents]
    logs = made.log_tail()
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"processes outlived their server: {left}\n{logs}"
    assert not groups, f"cgroups outlived their server: {groups}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One real server for each worker of a run. What breaks it must start it again."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of the test's own."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A real Docker engine, one for all workers of a run. Nobody may stop it: `broken_engine` is for that."""
    if reason := engines.missing():
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    with engines.shared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as found:
        yield found


@pytest.fixture(scope="session")
def engine_image(engine: Engine) -> str:
    """An image with Python on `engine`."""
    return base_image(engine)


@pytest.fixture
def broken_engine() -> Iterator[DockerEngine]:
    """An engine of the test's own, without bridges, that it may stop, start, pause and kill."""
    if reason := engines.missing():
        pytest.skip(reason)
    with DockerEngine(network="host") as found:
        yield found
