# SPDX-License-Identifier: Apache-2.0
"""Containers of Homeport on a real engine, and how their image comes to be there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from homeport.errors import HomeportError
from homeport.testing.servers.engine import Engine
from homes import wait_until

ROOT = Path(__file__).parents[1]
PYTHON = "/opt/homeport/bin/python"
HEALTH = ("python3", "-I", "-S", "/opt/homeport/health.py")
HARDENED = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none"),
    *("--security-opt", "no-new-privileges", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", f"seccomp={ROOT}/deploy/container/seccomp.json", "--security-opt", "systempaths=unconfined"),
)
"""As in compose.yaml, without a network."""


class Container:
    """One `homeport serve` on an engine, with a volume of its own."""

    def __init__(self, engine: Engine, image: str, *options: str, words: tuple[str, ...] = ("serve",)) -> None:
        self.engine, self.image, self.options, self.words = engine, image, options, words
        self.name = f"hp-image-{uuid.uuid4().hex[:12]}"
        self.volume = f"{self.name}-state"

    def start(self) -> Container:
        """A new container on the same volume. Returns at once."""
        self.engine.docker("rm", "--force", self.name)
        self.engine.docker(
            "run", "--detach", "--name", self.name, "--volume", f"{self.volume}:/var/lib/homeport",
            *self.options, self.image, *self.words,
        )  # fmt: skip
        return self

    def healthy(self) -> Container:
        """Waits until its own health check says so."""

        def answers() -> bool:
            try:
                return bool(self.inside(*HEALTH))
            except HomeportError:
                return self.state()["Status"] == "exited"

        assert wait_until(answers, 90) and self.state()["Status"] == "running", self.said()
        return self

    def inside(self, *argv: str, given: bytes | None = None) -> str:
        return self.engine.docker("exec", "--interactive", self.name, *argv, given=given)

    def homeport(self, *words: str) -> Any:
        """What `homeport --json …` says in it."""
        return json.loads(self.inside("homeport", "--json", *words))

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", "--format", "{{json .State}}", self.name))
        return found

    def said(self) -> str:
        """What it wrote, and its state."""
        argv = ["docker", "-H", self.engine.host, "logs", self.name]
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout + json.dumps(self.state())

    def close(self) -> None:
        self.engine.docker("rm", "--force", "--volumes", self.name)
        self.engine.docker("volume", "rm", "--force", self.volume)


def offline(engine: Engine | None, *words: str) -> None:
    """`deploy/container/offline.sh`: Debian's packages and the Python index, no registry of containers."""
    env = os.environ | {"DOCKER_HOST": engine.host if engine else "", "DOCKER_BUILDKIT": "0", "PYTHON": sys.executable}
    argv = [ROOT / "deploy/container/offline.sh", *words]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def write_files(folder: str, files: dict[str, str]) -> str:
    """A Python program that writes a folder of small files: `docker cp` cannot, where the root is read-only."""
    return (
        "import pathlib\n"
        f"for name, text in {files!r}.items():\n"
        f"    file = pathlib.Path({folder!r}, name); file.parent.mkdir(parents=True, exist_ok=True)\n"
        "    file.write_text(text)"
    )
