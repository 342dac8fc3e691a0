# SPDX-License-Identifier: Apache-2.0
"""What an engine leaves when it, or who started it, was killed: processes, control groups, mounts, its folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import IO

PREFIX = "hp-eng-"
_PATIENCE_S = 30.0
_CGROUPS = Path("/sys/fs/cgroup")


def own_folder() -> tuple[Path, IO[bytes]]:
    """A folder for one engine, and the lock that says that its owner lives."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (folder / "lock.new").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "lock.new").rename(folder / "lock")
    return folder, lock


def sweep() -> None:
    """Take away what engines of killed processes left; those of living ones are not touched."""
    for found in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/lock"):
        try:
            lock = found.open("rb")
        except FileNotFoundError:
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            Remains(found.parent).remove()


class Remains:
    """Everything an engine makes carries the name of its folder: that is how it is found."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def remove(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        # The shims come last: they are the parents of what is in the groups, and reap it.
        for alive in (partial(self._started, _DAEMONS), self._in_groups, partial(self._started, _SHIMS)):
            while (pids := alive()) and time.monotonic() < deadline:
                for pid in pids:
                    _signal(pid, signal.SIGKILL)
                time.sleep(0.02)
        for group in sorted(self._groups(), key=lambda path: len(path.parts), reverse=True):
            _remove_group(group, deadline)
        for point in self._mounts():
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _started(self, programs: frozenset[bytes]) -> set[int]:
        """Of these programs, those that were started with paths below the folder."""
        found = set()
        mark = f"{self._folder}/".encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if mark in words and words.partition(b"\0")[0].rpartition(b"/")[2] in programs:
                found.add(int(path.parent.name))
        return found

    def _groups(self) -> list[Path]:
        return [
            group
            for controller in [_CGROUPS, *_CGROUPS.glob("*/")]
            for top in [controller / self._folder.name]
            if top.is_dir()
            for group in [top, *top.rglob("*/")]
        ]

    def _in_groups(self) -> set[int]:
        found: set[int] = set()
        for group in self._groups():
            try:
                found.update(map(int, (group / "cgroup.procs").read_text().split()))
            except OSError:
                continue
        return found - {0, os.getpid()}

    def _mounts(self) -> list[str]:
        points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
        return [point for point in points if point.startswith(f"{self._folder}/")][::-1]


_DAEMONS = frozenset({b"dockerd", b"containerd", b"docker", b"docker-proxy"})
_SHIMS = frozenset({b"containerd-shim-runc-v2", b"runc"})


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _remove_group(group: Path, deadline: float) -> None:
    """The kernel may need a moment to let go of what was in it."""
    while True:
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return
            time.sleep(0.02)
