# SPDX-License-Identifier: Apache-2.0
"""A real keeper in a folder of its own, with stand-ins for gateway and server, for tests of runtimes and of doors."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from homeport.settings import Paths, find_paths

STANDIN = """
import os, socket, sys
os.write(int(os.environ["HOMEPORT_READY_FD"]), b"ready")
os.close(int(os.environ["HOMEPORT_READY_FD"]))
fds = dict(entry.split("=") for entry in os.environ["HOMEPORT_FDS"].split(","))
listener = socket.socket(fileno=int(fds[sys.argv[1]]))
listener.setblocking(True)
print("up", sys.argv[1], flush=True)
while True:
    client, _ = listener.accept()
    client.sendall(b"%d" % os.getpid())
    client.close()
"""
"""Accepts on its TCP socket and answers each connection with its pid."""

_MAIN = """
import json, sys
from homeport.serve.keeper import probe
if not json.loads(sys.argv[3]):
    probe.find_bwrap = lambda: []
from homeport.serve.keeper.__main__ import main
sys.exit(main(["--ready-fd", sys.argv[1]], children=json.loads(sys.argv[2])))
"""


def standin(name: str) -> list[str]:
    """A command for `gateway` or `api`."""
    return [sys.executable, "-I", "-S", "-c", STANDIN, name]


class RunningKeeper:
    """Start it with `start()`, which returns once it is up; `stop()` ends what is left of it, in order."""

    def __init__(
        self,
        home: Path,
        *,
        children: dict[str, list[str]] | None = None,
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
        bubblewrap: bool = True,
    ) -> None:
        """`prefix` goes before the command (to become another user); without `bubblewrap` none is found."""
        self.home, self.prefix, self.bubblewrap = home, list(prefix), bubblewrap
        self.children = {"gateway": standin("gateway"), "server": standin("api")} if children is None else children
        self.environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "HOMEPORT_HOME": str(home),
            "HOMEPORT_API_LISTEN": "127.0.0.1:0",
            "HOMEPORT_GATEWAY_LISTEN": "127.0.0.1:0",
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.errors = home / "keeper.err"

    @property
    def paths(self) -> Paths:
        return find_paths(self.environment)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, timeout: float = 60.0) -> str:
        """The first line it wrote to its ready pipe: "ready", "failed: …", or "" when it ended without one."""
        import json

        self.home.mkdir(parents=True, exist_ok=True)
        ready_r, ready_w = os.pipe()
        argv = [
            *self.prefix,
            sys.executable,
            "-c",
            _MAIN,
            str(ready_w),
            json.dumps(self.children),
            json.dumps(self.bubblewrap),
        ]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                argv, env=self.environment, pass_fds=[ready_w], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        os.close(ready_w)
        try:
            if not select.select([ready_r], [], [], timeout)[0]:
                self.stop()
                raise TimeoutError(f"the keeper was not up after {timeout} s: {self.said()}")
            return os.read(ready_r, 1000).decode().strip()
        finally:
            os.close(ready_r)

    def kill(self) -> None:
        """As a crash would: nothing of it runs on to clean up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 30.0) -> int:
        """SIGTERM and wait; its exit code. Idempotent."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def wait(self, timeout: float = 30.0) -> int:
        assert self.process is not None
        return self.process.wait(timeout)

    def said(self) -> str:
        return self.errors.read_text(errors="replace")
