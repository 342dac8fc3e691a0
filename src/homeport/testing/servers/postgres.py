# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server on a Unix socket of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from homeport.errors import HomeportError
from homeport.testing.servers.server import Server

START_S = 120.0
"""Recovery after a kill, on a machine with much else to do."""


class PostgresServer(Server):
    """`with PostgresServer() as server: url = server.create_database()`. Synced to disk as in production.

    As root it runs as the user `postgres`, because PostgreSQL refuses to be root. Needs Debian's `postgresql`.
    """

    def __init__(self) -> None:
        self._programs = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="hp-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _recovery(self) -> tuple[str, ...]:
        """Without this, recovery syncs every file of every database by itself."""
        version = self._programs.parent.name
        known = version.isdigit() and int(version) >= 14
        return ("-c", "recovery_init_sync_method=syncfs") if known else ()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Again after `stop` or `kill` too: the same data. Returns once it takes connections; at once where it runs."""
        if self.runs():
            return
        if not self._data.exists():
            self._make()
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._as_user("postgres", "-D", str(self._data), "-k", str(self._folder), "-c", "listen_addresses=",
                              "-c", "max_connections=200", *self._recovery),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while subprocess.run([self._programs / "pg_isready", "-q", "-h", self._folder], check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HomeportError(f"PostgreSQL does not start: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def runs(self) -> bool:
        """Whether the server's first process is there, paused or not."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Cut all connections and end in order. The socket is gone when it returns."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As a crash of the machine would: nothing is flushed, the socket's file stays."""
        self._end(signal.SIGQUIT)

    def pause(self) -> None:
        """It hangs: connections stay, nothing is answered, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def create_database(self) -> str:
        """A new, empty one; its URL."""
        self._count += 1
        name = f"homeport_{os.getpid()}_{self._count}"
        self.query("postgres", f'CREATE DATABASE "{name}"')
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def drop_database(self, url: str) -> None:
        """With whoever is connected to it. One that cannot be dropped now goes with the server."""
        name = url.rpartition("@/")[2].partition("?")[0]
        try:
            self.query("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        except HomeportError:
            return

    def query(self, database: str, sql: str) -> str:
        """What psql prints, unaligned and without headings."""
        done = subprocess.run(
            [self._programs / "psql", "-h", self._folder, "-U", "postgres", "-d", database, "-XqAt",
             "-v", "ON_ERROR_STOP=1", "-c", sql],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise HomeportError(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def close(self) -> None:
        if self.runs():
            self.resume()
            self._end(signal.SIGQUIT)  # nobody needs what it would write first
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                  "--locale=C")  # fmt: skip

    def _signal(self, number: int) -> None:
        """To the server and all its workers."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in [self._process.pid, *map(int, children)]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _end(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(START_S)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._as_user(program, *arguments), capture_output=True, text=True, check=False, cwd=self._folder
        )
        if done.returncode:
            raise HomeportError(f"{program}: {done.stderr.strip()}")

    def _as_user(self, program: str, *arguments: str) -> list[str]:
        argv = [str(self._programs / program), *arguments]
        if os.geteuid() == 0:
            return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *argv]
        return argv


def programs() -> Path:
    """The folder of the newest server installed. Raises `HomeportError` saying what to install."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if there := shutil.which("initdb"):
        return Path(there).resolve().parent
    raise HomeportError("there is no PostgreSQL server here", hint="apt-get install postgresql")
