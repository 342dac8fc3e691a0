# SPDX-License-Identifier: Apache-2.0
"""`python deploy/verify.py`: whether the installed Homeport works, by using it in a home of its own that is removed.

An agent is deployed, asked through the gateway with a token, and stopped. Environment: as for install.py.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from layout import Layout, Refused, from_environment

AGENT = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"verified"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Failed(Exception):
    """What does not work, in words."""


def main() -> int:
    try:
        layout = from_environment(os.environ)
        if layout.destdir or not layout.installed():
            raise Refused(f"Homeport is not installed in {layout.prefix}: make install")
        verify(layout)
    except (Refused, Failed) as error:
        print(f"verify: {error}", file=sys.stderr)
        return 1
    print("all of it works")
    return 0


def verify(layout: Layout) -> None:
    version = layout.installed()["version"]
    with temporary_home() as env:
        command = str(layout.bindir / "homeport")
        if (said := run(env, command, "version")).split()[-1:] != [version]:
            raise Failed(f"{command} says {said.strip()!r}, installed was {version}")
        passed(f"{command} is version {version}")
        run(env, command, "doctor")
        passed("doctor finds all that is needed")
        try:
            use(env, command)
        finally:
            subprocess.run([command, "serve", "--stop"], env=env, capture_output=True, check=False)
    check_unit(layout)


def use(env: dict[str, str], command: str) -> None:
    """A real agent from a folder, asked over TCP with the admin token."""
    source = Path(env["HOME"]) / "verify"
    source.mkdir()
    (source / "main.py").write_text(AGENT)
    (source / "homeport.yaml").write_text("start: python main.py\nport: 8000\nhealth: /\n")
    run(env, command, "up", str(source), "--yes")
    token = Path(env["HOMEPORT_HOME"], "config", "admin-token").read_text().strip()
    url = f"http://{env['HOMEPORT_GATEWAY_LISTEN']}/agent/verify/"
    request = urllib.request.Request(url, headers={"X-Homeport-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            body = answer.read()
    except OSError as error:
        raise Failed(f"GET {url}: {error}") from None
    if body != b"verified":
        raise Failed(f"GET {url} was answered with {body[:80]!r}")
    passed("an agent answers through the gateway")
    walls = ask(env, command, "status")["confinement"]
    passed(f"agents are confined: {walls['level']}" + (f" ({len(walls['missing'])} limits missing: homeport doctor)"
                                                        if walls["missing"] else ""))  # fmt: skip
    run(env, command, "remove", "verify", "--yes")
    run(env, command, "serve", "--stop")
    passed("it ends in order")


def check_unit(layout: Layout) -> None:
    unit = Path(layout.installed()["unit"] or "/nonexistent")
    if not unit.exists():
        passed("no service: systemd does not run here")
        return
    if shutil.which("systemd-analyze"):
        mode = ["--system"] if layout.root else ["--user"]
        argv = ["systemd-analyze", *mode, "--man=no", "verify", str(unit)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode or str(unit.name) in done.stderr:
            raise Failed(f"systemd does not like {unit}:\n{done.stderr.strip()}")
        passed(f"systemd reads {unit}")


@contextmanager
def temporary_home() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="homeport-verify-") as folder:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOMEPORT_", "XDG_")) and k != "HOME"}
        ports = free_ports()
        yield kept | {
            "HOME": folder, "HOMEPORT_HOME": str(home), "HOMEPORT_RUNTIME": "process",
            "HOMEPORT_API_LISTEN": f"127.0.0.1:{ports[0]}", "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{ports[1]}",
        }  # fmt: skip


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def ask(env: dict[str, str], command: str, *words: str) -> Any:
    return json.loads(run(env, command, "--json", *words))


def run(env: dict[str, str], *argv: str) -> str:
    """stdout. Raises `Failed` with what was said."""
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=180)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{' '.join(argv)}: {error}") from None
    if done.returncode:
        raise Failed(f"{' '.join(argv)} ended with {done.returncode}:\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def passed(text: str) -> None:
    print(f"✔ {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
