# SPDX-License-Identifier: Apache-2.0
"""Disks and clocks with faults: a small file system of its own, and a library that is preloaded into the gateway."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "faults" / "faulty.c"


class Faults:
    """What is wrong from now on with the processes that have `environ`."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler: apt install gcc")
        library, state = folder / "faulty.so", folder / "faults"
        argv = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"the faults cannot be compiled here: {done.stderr[:200]}")
        state.write_bytes(bytes(4096))
        with state.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 4096)
        self.environ = {"LD_PRELOAD": str(library), "HP_FAULTS": str(state)}

    def set(self, *, sync_ms: int = 0, sync_errno: int = 0, write_errno: int = 0, clock_s: int = 0) -> None:
        self._memory[:24] = struct.pack("=iiiiq", sync_ms, sync_errno, write_errno, 0, clock_s)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """An empty file system of so many bytes. Skips where this user may not mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "homeport-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """To the last byte; the file that does it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return ballast
