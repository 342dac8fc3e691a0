# SPDX-License-Identifier: Apache-2.0
"""The main job on a real container engine: folders, Dockerfiles and images become agents behind the durable gateway."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from homeport.testing.servers.engine import DockerEngine, Engine
from homes import AGENT, Home, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def boxed(home: Home, engine: Engine) -> Home:
    """A home whose agents are containers of the shared engine."""
    home.env["DOCKER_HOST"] = engine.host
    return home


def containers(home: Home, engine: Engine) -> list[str]:
    """Those of this home, running or not."""
    agents = {home.json("inspect", agent["name"])["id"] for agent in home.json("list")}
    lines = engine.docker("ps", "--all", "--format", '{{.ID}} {{.Label "homeport.agent"}}').splitlines()
    return [line.split()[0] for line in lines if line.split()[-1] in agents]


def dockerfile(home: Home, image: str, *lines: str) -> Path:
    folder = home.folder.parent / "built"
    folder.mkdir()
    (folder / "main.py").write_text(AGENT)
    (folder / "Dockerfile").write_text("\n".join([f"FROM {image}", "WORKDIR /srv", "COPY main.py .", *lines]) + "\n")
    return folder


def test_a_folder_becomes_a_container_and_a_request_survives_its_death(boxed: Home, engine: Engine) -> None:
    done = boxed.run("up", str(boxed.agent()), "--name", "agent")
    assert "Runtime: docker (Docker" in done.stderr and "start agent in a container" in done.stderr
    [container] = containers(boxed, engine)
    assert engine.docker(
        "inspect", "--format", "{{.HostConfig.NetworkMode}} {{.HostConfig.PortBindings}}", container
    ) == ("none map[]")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(boxed.ask, "/slow?2", method="POST")
        ledger = next(iter((boxed.folder / "state" / "agents").glob("agt_*/data"))) / "ledger"
        assert wait_until(ledger.exists)
        engine.docker("kill", container)
        status, body, request_id = answer.result(timeout=60)
    assert (status, body.split()[1]) == (200, "/slow?2")
    assert boxed.events("agent.exited") == ["killed by signal 9 (SIGKILL)"]
    assert boxed.json("requests", "show", request_id)["state"] == "completed"
    boxed.run("remove", "agent", "--yes")
    assert not [line for line in engine.docker("ps", "--all", "--format", "{{.Names}}").split() if container in line]


def test_containers_outlive_the_server_and_are_found_again(boxed: Home, engine: Engine) -> None:
    boxed.run("up", str(boxed.agent()), "--name", "agent")
    before = containers(boxed, engine)
    for pid in boxed.pids("homeport.serve.keeper"):
        os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not boxed.pids("homeport.serve"))
    boxed.run("serve", "--detach")
    assert boxed.ask("/after")[0] == 200
    assert containers(boxed, engine) == before, "it was never touched"
    boxed.run("serve", "--stop")
    boxed.run("serve", "--detach")
    assert boxed.ask("/after")[0] == 200 and containers(boxed, engine) == before
    boxed.run("remove", "agent", "--yes")


def test_a_dockerfile_is_built_run_and_gone_with_its_agent(boxed: Home, engine: Engine, engine_image: str) -> None:
    folder = dockerfile(boxed, engine_image, "EXPOSE 8000", "ENV PORT=8000", 'CMD ["python3", "main.py"]')
    done = boxed.run("up", str(folder), "--name", "agent", "--health", "/health", timeout=120)
    assert "build an image from Dockerfile" in done.stderr
    assert boxed.ask("/hello")[1].endswith("/hello")
    agent = boxed.json("inspect", "agent")
    assert agent["workload"]["image"].startswith("sha256:") and agent["workload"]["code"] == ""
    boxed.run("remove", "agent", "--yes")
    assert agent["id"].lower() not in engine.docker("images", "--format", "{{.Repository}}")


def test_a_build_that_fails_shows_its_last_lines_and_leaves_nothing(
    boxed: Home, engine: Engine, engine_image: str
) -> None:
    folder = dockerfile(boxed, engine_image, 'RUN ["python3", "-c", "print(6 * 7); raise SystemExit(3)"]', "CMD x")
    done = boxed.run("up", str(folder), "--name", "agent", check=False, timeout=120)
    assert done.returncode == 5
    assert "42" in done.stderr and "undone: " in done.stderr
    assert boxed.json("list") == []
    assert "homeport/agt_" not in engine.docker("images", "--format", "{{.Repository}}")


def test_an_image_runs_as_it_is_and_one_that_is_missing_is_told(boxed: Home, engine: Engine, engine_image: str) -> None:
    folder = dockerfile(boxed, engine_image, "EXPOSE 8000", "ENV PORT=8000", 'CMD ["python3", "main.py"]')
    tag = f"story-{os.getpid()}:1"
    engine.docker("build", "--tag", tag, str(folder))
    try:
        boxed.run("up", f"image:{tag}", "--name", "agent", timeout=120)
        assert boxed.ask("/hello")[1].endswith("/hello")
        boxed.run("remove", "agent", "--yes")
        assert tag in engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}"), "it is not ours to remove"
    finally:
        engine.docker("rmi", "--force", tag)
    missing = boxed.run("plan", "image:nowhere/to-be-found:9", check=False)
    assert missing.returncode == 2 and "is not on this machine" in missing.stderr


def test_an_engine_that_is_away_is_said_and_holds_up_no_process(home: Home, broken_engine: DockerEngine) -> None:
    home.env["DOCKER_HOST"] = broken_engine.host
    home.run("up", str(home.agent()), "--name", "boxed")
    home.run("up", str(home.agent()), "--name", "plain", "--runtime", "process")
    home.run("serve", "--stop")
    broken_engine.stop()
    home.run("serve", "--detach")
    assert home.ask("/hello", name="plain")[0] == 200
    refused = home.run("stop", "boxed", check=False)
    assert refused.returncode == 1 and "docker runtime, where 'boxed' runs, does not answer" in refused.stderr
    broken_engine.start()
    assert wait_until(lambda: home.run("restart", "boxed", check=False).returncode == 0)
    assert wait_until(lambda: home.ask("/hello", name="boxed")[0] == 200)
    home.run("remove", "--all", "--yes")
