# SPDX-License-Identifier: Apache-2.0
"""A real Docker engine in a network namespace, control groups and folders of its own, so that any number can run.

Needs Debian's `docker.io` and root. What it serves is reached at `Engine.host`; its bridges and iptables rules are in
its own network namespace (`Engine.inside` goes there), or it has none (`network="host"`).
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from homeport.errors import HomeportError
from homeport.testing.servers.namespaces import inside, loopback_up
from homeport.testing.servers.remains import Remains, own_folder, sweep
from homeport.testing.servers.server import Server

START_S = 60.0
_HIDE = 'mount -t tmpfs none "$0" && exec "$@"'
END_S = 60.0


def missing() -> str:
    """Why no engine can run here; "" if one can."""
    if os.geteuid() != 0:
        return "a Docker engine of the tests' own needs root"
    if not shutil.which("dockerd"):
        return "there is no dockerd here: apt-get install docker.io"
    return ""


class Engine:
    """One that answers. `folder` is its own, `pid` that of its dockerd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def socket(self) -> Path:
        return self.folder / "d.sock"

    @property
    def host(self) -> str:
        """As in DOCKER_HOST."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        return int((self.folder / "pid").read_text())

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def docker(self, *words: str, given: bytes | None = None) -> str:
        """What the command `docker` prints. Raises `HomeportError` with what it says when it fails."""
        argv = [shutil.which("docker") or "docker", "-H", self.host, *words]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(argv, input=given, capture_output=True, check=False, env=environment)
        if done.returncode:
            raise HomeportError(f"docker {words[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace").strip()

    def answers(self) -> bool:
        try:
            return bool(self.socket.exists() and self.docker("version", "--format", "{{.Server.Version}}"))
        except HomeportError:
            return False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile, is in the engine's network namespace: where its bridges are."""
        with inside(f"/proc/{self.pid}/ns/net"):
            yield


class DockerEngine(Server, Engine):
    """`with DockerEngine() as engine: …engine.host…`. Ends with the process that started it, however that ends.

    `network`: "own" is a network namespace with bridges and iptables; "host" is this machine's network without
    either, where containers have `--network none` or `host`. `data` is a folder for its images (of a small disk, say);
    what is in the folder `hidden` it does not see.
    """

    def __init__(
        self, *, network: str = "own", data: Path | None = None, hidden: Path | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        if reason := missing():
            raise HomeportError(reason)
        sweep()
        self.network, self._arguments, self._hidden = network, arguments, hidden
        self._lock: IO[bytes]
        folder, self._lock = own_folder()
        super().__init__(folder)
        self._data = data or folder / "data"
        self._remains = Remains(folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Again after `stop` or `kill`: the same data. Returns once it answers."""
        self.spawn()
        deadline = time.monotonic() + START_S
        while not self.answers():
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise HomeportError(f"dockerd does not start: {self.log}")
            time.sleep(0.05)
        if self.network == "own":
            with self.inside():
                loopback_up()

    def spawn(self) -> None:
        """As `start`, without waiting until it answers."""
        (self.folder / "pid").unlink(missing_ok=True)
        own = ["unshare", "--net", "--"] if self.network == "own" else []
        if self._hidden is not None:
            own += ["unshare", "--mount", "--", "sh", "-c", _HIDE, str(self._hidden)]
        closed = [] if self.network == "own" else ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        argv = ["setpriv", "--pdeathsig", "TERM", "--", *own, "dockerd", "-H", self.host,
                "--data-root", str(self._data), "--exec-root", str(self.folder / "x"),
                "--pidfile", str(self.folder / "pid"), "--exec-opt", "native.cgroupdriver=cgroupfs",
                "--cgroup-parent", f"/{self.folder.name}", "--shutdown-timeout=3", "--log-level=warn",
                *closed, *self._arguments]  # fmt: skip
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def stop(self) -> None:
        """In order: containers are ended too. Nobody answers when it returns."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """As a crash would: containers run on, and the socket's file stays."""
        assert self._process is not None
        containerd = self.folder / "x" / "containerd" / "containerd.pid"
        pid = containerd.read_text() if containerd.exists() else ""
        self._process.kill()
        self._process.wait()
        # The kernel ends it with dockerd; one that still is there would be taken for one to go on with.
        while pid and Path("/proc", pid, "exe").is_symlink():
            time.sleep(0.01)

    def pause(self) -> None:
        """It hangs: connections are taken, nothing is answered, until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """End it and take away all it made. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self.stop()
        self._remains.remove()
        self._lock.close()


@contextmanager
def shared(folder: Path) -> Iterator[Engine]:
    """One engine for all processes that name the same folder: the first starts it, it ends after the last.

    A process of its own holds it, which waits for the lock that all users share: who is killed lets go too.
    """
    state, users = folder / "engine.json", folder / "engine.users"
    with (folder / "engine.lock").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        held = _join(state, users)
        if held is None:
            held = users.open("w")
            fcntl.flock(held, fcntl.LOCK_SH)
            try:
                _start_holder(state, users)
            except BaseException:
                held.close()
                users.unlink(missing_ok=True)
                raise
    engine = Engine(Path(json.loads(state.read_text())["folder"]))
    try:
        yield engine
    finally:
        with (folder / "engine.lock").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            last = _locks(held, fcntl.LOCK_EX) or not _locks(held, fcntl.LOCK_SH)
            held.close()
            if last:
                wait_for_end(engine.folder)


def _join(state: Path, users: Path) -> IO[Any] | None:
    """The lock of the users of an engine that is there and not about to end."""
    try:
        held = users.open("r+")
    except FileNotFoundError:
        return None
    ending = not _locks(held, fcntl.LOCK_SH) or not users.exists() or not state.exists()
    if not ending and _holds(int(json.loads(state.read_text())["holder"]), state):
        return held
    held.close()
    return None


def _locks(held: IO[Any], how: int) -> bool:
    """Nobody who waits for it gets it as long as another holds it, so that EX fails for all but the last."""
    try:
        fcntl.flock(held, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holds(pid: int, state: Path) -> bool:
    try:
        return os.fsencode(state) in Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return False


def _start_holder(state: Path, users: Path) -> None:
    errors = state.with_suffix(".err")
    with errors.open("w") as log:
        holder = subprocess.Popen(
            [sys.executable, "-m", "homeport.testing.servers.engine", str(state), str(users)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
    assert holder.stdout is not None
    with holder.stdout:
        ready = select.select([holder.stdout], [], [], START_S + 10)[0] and holder.stdout.readline()
    if not ready:
        holder.kill()
        holder.wait()
        raise HomeportError(f"no engine: {errors.read_text()[-2000:]}")
    holder.returncode = 0  # it is nobody's to wait for: whoever leaves last looks for its folder


def wait_for_end(folder: Path) -> None:
    deadline = time.monotonic() + END_S
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def hold(state: Path, users: Path) -> None:
    """Run an engine until nobody shares the lock `users` any more."""
    with DockerEngine() as engine, users.open("r+") as lock:
        written = state.with_suffix(".new")
        written.write_text(json.dumps({"folder": str(engine.folder), "holder": os.getpid()}))
        written.replace(state)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        users.unlink(missing_ok=True)


if __name__ == "__main__":
    hold(Path(sys.argv[1]), Path(sys.argv[2]))
