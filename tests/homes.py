# SPDX-License-Identifier: Apache-2.0
"""A Homeport of its own for a test: real processes, free ports, and the command line in it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AGENT = """
import http.server, os, signal, sys, time
time.sleep(float(os.environ.get("START_DELAY", "0")))
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/slow"):
            with open(os.environ["HOMEPORT_DATA"] + "/ledger", "a") as ledger:
                ledger.write("began\\n"); ledger.flush(); os.fsync(ledger.fileno())
            time.sleep(float(self.path.partition("?")[2] or 1))
        if self.path.startswith("/crash"):
            os.kill(os.getpid(), signal.SIGKILL)
        body = f"{os.getpid()} {self.path}".encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0))); self.do_GET()
    def log_message(self, *args): print("request", self.path, flush=True)
http.server.ThreadingHTTPServer.request_queue_size = 64
print("listening", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

MANIFEST = "start: python main.py\nport: 8000\nhealth: /health\ndelivery: at-least-once\n"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Home:
    """One HOMEPORT_HOME, and the command line in it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    seen_agents: set[str] = field(default_factory=set)

    def run(
        self, *args: str, check: bool = True, timeout: float = 60, stdin: str = "", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "homeport", *args], env={**self.env, **extra}, capture_output=True, text=True,
            timeout=timeout, input=stdin, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            pytest.fail(
                f"homeport {' '.join(args)} → {done.returncode}\n{done.stdout}\n{done.stderr}\n{self.log_tail()}"
            )
        return done

    def spawn(self, *args: str, **extra: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "homeport", *args], env={**self.env, **extra}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def json(self, *args: str, **kwargs: Any) -> Any:
        return json.loads(self.run("--json", *args, **kwargs).stdout)

    def pids(self, module: str = "") -> dict[int, str]:
        """Processes of this home, told by environment, command line or cgroup; `module` filters the command line."""
        agents = [entry.name for entry in (self.folder / "state" / "agents").glob("agt_*")]
        self.seen_agents.update(agents)
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                cgroup = (entry / "cgroup").read_text()
            except OSError:
                continue
            mine = f"HOMEPORT_HOME={self.folder}".encode() in environment or str(self.folder) in command
            mine = mine or any(agent in cgroup for agent in self.seen_agents)
            if mine and command and module in command:
                found[int(entry.name)] = command
        return found

    def agent_pid(self, name: str = "agent") -> int:
        """The agent's own program: the one process of its cgroup that is neither sandbox nor shim."""
        agent_id = self.json("inspect", name)["id"]
        pids = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and self._is_program(entry, agent_id)
        ]
        assert len(pids) == 1, pids
        return pids[0]

    @staticmethod
    def _is_program(entry: Path, agent_id: str) -> bool:
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            return agent_id in (entry / "cgroup").read_text() and command[1:2] == [b"main.py"]
        except OSError:
            return False

    def ask(self, path: str, *, name: str = "agent", wait: int = 30, method: str = "GET") -> tuple[int, str, str]:
        """Status, body and request id of one request over TCP with the admin token."""
        token = (self.folder / "config" / "admin-token").read_text().strip()
        request = urllib.request.Request(
            f"http://{self.env['HOMEPORT_GATEWAY_LISTEN']}/agent/{name}{path}",
            headers={"X-Homeport-Token": token, "Prefer": f"wait={wait}"}, method=method,
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers["X-Homeport-Request-Id"] or ""

    def events(self, type: str = "") -> list[str]:
        lines = [json.loads(line) for line in self.run("--json", "events").stdout.splitlines()]
        return [line["message"] for line in lines if line["type"] == type or not type]

    def kill(self, module: str) -> int:
        """SIGKILL to the one process of this home that runs `module`; its pid."""
        pids = self.pids(module)
        assert len(pids) == 1, pids
        pid = next(iter(pids))
        os.kill(pid, signal.SIGKILL)
        return pid

    def agent(self, name: str = "agent", *, manifest: str = MANIFEST, code: str = AGENT) -> Path:
        """A folder with a small HTTP agent."""
        folder = self.folder.parent / f"src-{name}"
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text(code)
        (folder / "homeport.yaml").write_text(manifest)
        return folder

    def log_tail(self) -> str:
        tails = [
            f"--- {file.name}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-25:])
            for file in sorted((self.folder / "state" / "logs").glob("*.log"))
        ]
        return "\n".join(tails)

    def stop(self) -> None:
        """End the server if one runs, and everything else of this home that is left; fail if something was."""
        keepers = self.pids("homeport.serve.keeper")
        for pid in keepers:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not self.pids(), 20)


def wait_until(condition: Any, seconds: float = 20.0) -> bool:
    """Polls until it is true; False once the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())
