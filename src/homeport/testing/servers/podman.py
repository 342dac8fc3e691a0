# SPDX-License-Identifier: Apache-2.0
"""Podman's service, which answers as a Docker engine does, with storage of its own. Needs root, `podman` and `runc`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

from homeport.errors import HomeportError
from homeport.testing.servers.engine import Engine
from homeport.testing.servers.remains import Remains, own_folder, sweep
from homeport.testing.servers.server import Server

START_S = 60.0


def missing() -> str:
    """Why none can run here; "" if one can."""
    if os.geteuid() != 0:
        return "a Podman of the tests' own needs root"
    for program, package in (("podman", "podman"), ("runc", "runc"), ("tini-static", "tini"), ("docker", "docker.io")):
        if not shutil.which(program):
            return f"there is no {program} here: apt-get install {package}"
    return ""


class PodmanEngine(Server, Engine):
    """`with PodmanEngine() as engine: …engine.host…`. Containers of it run on by themselves until it is closed."""

    def __init__(self) -> None:
        if reason := missing():
            raise HomeportError(reason)
        sweep()
        folder, self._lock = own_folder()
        super().__init__(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "--", *self._argv("system", "service", "--time=0", self.host)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True,
                cwd=self.folder,  # conmon leaves a file where it was started
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HomeportError(f"Podman does not start: {self.log}")
            time.sleep(0.05)

    def close(self) -> None:
        """End it and all its containers, and take away all it made."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(START_S)
            for words in (("rm", "--all", "--force", "--time=0"), ("system", "reset", "--force")):
                subprocess.run(
                    self._argv(*words),
                    check=False,
                    capture_output=True,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                )
            self._process = None
        Remains(self.folder).remove()
        self._lock.close()

    def _argv(self, *words: str) -> list[str]:
        places = [f"--{name}={self.folder / name}" for name in ("root", "runroot", "tmpdir")]
        return [
            shutil.which("podman") or "podman", *places, "--cgroup-manager=cgroupfs", "--runtime=runc",
            "--events-backend=file", *words,
        ]  # fmt: skip

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder)}
