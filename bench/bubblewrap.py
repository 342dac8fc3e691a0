# SPDX-License-Identifier: Apache-2.0
"""The peer of `bench.agents`: bwrap alone around the same program, polled until each answers."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.measure import ROOT, output
from homeport.drivers.runtimes.process.walls import find_bwrap

CODE = ROOT / "bench" / "answering"


def program() -> str:
    """The system's bwrap, or the one that came with Homeport."""
    return find_bwrap()[0]


def version() -> str:
    return output([program(), "--version"]).split()[-1]


def run(count: int) -> float:
    """Seconds from the first start until all have answered 200; all are ended before it returns."""
    with tempfile.TemporaryDirectory(prefix="hp-bwrap-") as folder:
        folders = [Path(folder, str(number)) for number in range(count)]
        started = []
        try:
            begin = time.perf_counter()
            for own in folders:
                own.mkdir()
                started.append(subprocess.Popen(_argv(own), stdin=subprocess.DEVNULL, env=_ENV))
            waiting = [own / "sock" for own in folders]
            while waiting:
                waiting = [path for path in waiting if not _healthy(path)]
                if waiting:
                    time.sleep(0.01)
                if any(process.poll() is not None for process in started):
                    raise SystemExit("a program under bwrap ended before it answered")
                if time.perf_counter() - begin > 120:
                    raise SystemExit(f"{len(waiting)} programs under bwrap did not answer in 120 s")
            return time.perf_counter() - begin
        finally:
            for process in started:
                process.kill()
            for process in started:
                process.wait()


_ENV = {"PATH": "/usr/bin:/bin", "ANSWER_AT": "/data/sock", "PYTHONDONTWRITEBYTECODE": "1"}


def _argv(own: Path) -> list[str]:
    argv = [program(), "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    argv += ["--uid", "1000", "--gid", "1000", "--die-with-parent", "--cap-drop", "ALL"]
    argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for system in ("/usr", "/bin", "/lib", "/lib64"):
        if Path(system).is_symlink():
            argv += ["--symlink", str(Path(system).readlink()), system]
        elif Path(system).is_dir():
            argv += ["--ro-bind", system, system]
    for prefix in sorted({sys.base_prefix, sys.prefix}):
        if not prefix.startswith("/usr"):
            argv += ["--ro-bind", prefix, prefix]
    return [*argv, "--ro-bind", str(CODE), "/app", "--bind", str(own), "/data", "--chdir", "/app",
            sys.executable, "main.py"]  # fmt: skip


def _healthy(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        try:
            sock.connect(str(path))
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in sock.makefile("rb").readline(100)
        except (FileNotFoundError, ConnectionError):
            return False
