# SPDX-License-Identifier: Apache-2.0
"""Homeport as a container, on a real engine: who it is, what it holds, how it starts, serves and ends."""

from __future__ import annotations

import json

import pytest

from container_rig import HEALTH, PYTHON, Container, write_files
from homeport import __version__
from homeport.errors import HomeportError
from homeport.testing.servers.engine import Engine
from homes import AGENT, MANIFEST, wait_until

pytestmark = pytest.mark.timeout(600)


def test_the_image_says_what_it_is_and_holds_no_secret(engine: Engine, homeport_image: str) -> None:
    config = json.loads(engine.docker("inspect", "--format", "{{json .Config}}", homeport_image))
    assert config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"} and set(config["Volumes"]) == {"/var/lib/homeport"}
    assert config["Healthcheck"]["Test"] == ["CMD", *HEALTH]
    said = json.dumps(config) + engine.docker("history", "--no-trunc", homeport_image)
    assert not [word for word in ("TOKEN", "PASSWORD", "SECRET", "INDEX_URL=") if word in said]


def test_nothing_of_the_build_is_in_the_image(plain_container: Container) -> None:
    plain_container.start()
    found = plain_container.inside(
        "find", "/opt", "/tmp", "/mnt", "(", "-name", "*.whl", "-o", "-name", "wheelhouse", "-o", "-name", "hatchling",
        "-o", "-name", "pytest", "-o", "-name", "RECORD.jws", ")", "-print",
    )  # fmt: skip
    assert found == ""
    assert "build" not in plain_container.inside("ls", "/").split()


def test_an_agent_lives_in_it_behind_a_sandbox_and_survives_a_new_container(container: Container) -> None:
    container.start().healthy()
    status = container.homeport("status")
    assert status["confinement"]["level"] == "sandbox" and status["processes"]["keeper"]["pid"] == 1
    assert container.inside("id", "-u") == "10001"
    container.inside(PYTHON, "-c", write_files("/tmp/agent", {"main.py": AGENT, "homeport.yaml": MANIFEST}))
    container.inside("homeport", "up", "/tmp/agent", "--name", "agent", "--yes")
    assert container.homeport("invoke", "agent", "-X", "GET", "-p", "/hello")["status"] == 200
    token = container.inside("cat", "/var/lib/homeport/config/admin-token")
    assert token.startswith("hp_") and token not in container.said()

    container.engine.docker("stop", "--time", "60", container.name)
    assert container.state()["ExitCode"] == 0 and not container.state()["OOMKilled"]
    container.start().healthy()
    assert container.inside("cat", "/var/lib/homeport/config/admin-token") == token
    assert wait_until(lambda: container.homeport("list")[0]["status"] == "running", 60), container.homeport("list")
    assert container.homeport("invoke", "agent", "-X", "GET", "-p", "/again", "--wait", "60")["status"] == 200


def test_one_that_is_killed_starts_again_on_what_it_left(container: Container) -> None:
    container.start().healthy()
    container.engine.docker("kill", container.name)
    assert container.state()["ExitCode"] == 137
    container.start().healthy()


def test_its_health_is_that_of_both_doors(container: Container) -> None:
    container.start().healthy()
    container.inside(PYTHON, "-c", "import os; os.rename('/var/lib/homeport/run/gateway.sock', '/var/lib/homeport/g')")
    with pytest.raises(HomeportError):
        container.inside(*HEALTH)
    container.inside(PYTHON, "-c", "import os; os.rename('/var/lib/homeport/g', '/var/lib/homeport/run/gateway.sock')")
    assert container.inside(*HEALTH) == "API and gateway answer"


def test_orphans_are_buried_by_the_first_process(container: Container) -> None:
    container.start().healthy()
    for _ in range(3):
        container.inside(PYTHON, "-c", "import os\nos.fork() or (os.setsid(), os.fork())")
    dead = "import glob; print(sum(') Z ' in open(f).read() for f in glob.glob('/proc/[0-9]*/stat')))"
    assert wait_until(lambda: container.inside(PYTHON, "-c", dead) == "0", 30)


def test_without_the_options_of_the_compose_file_it_says_what_is_missing(plain_container: Container) -> None:
    confinement = plain_container.start().healthy().homeport("status")["confinement"]
    assert confinement["level"] == "process"
    assert any("sandbox" in line for line in confinement["missing"])


def test_a_home_that_it_may_not_write_is_said_and_it_ends(container: Container) -> None:
    container.options = (*container.options, "--env", "HOMEPORT_HOME=/mnt/home")
    container.start()
    assert wait_until(lambda: container.state()["Status"] == "exited", 60)
    assert container.state()["ExitCode"] != 0 and "/mnt/home" in container.said()
