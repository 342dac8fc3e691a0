# SPDX-License-Identifier: Apache-2.0
"""What tests of the image, of compose.yaml and of the installation share: made once a run, by whoever is first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import container_images
from container_rig import HARDENED, Container, offline
from homeport.testing.servers.engine import Engine


@contextmanager
def once(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A path that all workers share, held by one at a time: who finds nothing there makes it."""
    base = factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (folder / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield folder / name


@pytest.fixture(scope="session")
def build_context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the image is built from, with the wheels in `wheelhouse`, for the Python of /usr/bin."""
    with once(tmp_path_factory, "build-context") as folder:
        if not folder.exists():
            making = folder.with_suffix(".new")
            shutil.rmtree(making, ignore_errors=True)
            offline(None, "context", str(making))
            making.rename(folder)
    return folder


@pytest.fixture(scope="session")
def homeport_image(engine: Engine, build_context: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its name on `engine`."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("the image's base is made by mmdebstrap: apt-get install mmdebstrap")
    name = "homeport:local"
    with once(tmp_path_factory, "homeport-image"):
        if not engine.docker("images", "--quiet", name):
            offline(engine, "base", "homeport-base:local")
            engine.docker(
                "build", "--quiet", "--network", "none", "--build-arg", "BASE=homeport-base:local",
                "--build-arg", "PACKAGES=", "--tag", name, str(build_context),
            )  # fmt: skip
    return name


@pytest.fixture
def container(engine: Engine, homeport_image: str) -> Iterator[Container]:
    """One with the options of compose.yaml, not started."""
    made = Container(engine, homeport_image, *HARDENED)
    yield made
    made.close()


@pytest.fixture
def plain_container(engine: Engine, homeport_image: str) -> Iterator[Container]:
    """One as `docker run` makes it, not started."""
    made = Container(engine, homeport_image, "--network", "none")
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres_image(engine: Engine, engine_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """This machine's PostgreSQL as an image, in place of the official one."""
    return container_images.postgres(engine, engine_image, tmp_path_factory.mktemp("postgres-image"))
