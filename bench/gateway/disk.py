# SPDX-License-Identifier: Apache-2.0
"""What the disk itself takes: beside every durable figure, so that nobody compares two disks."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

_IN_MEMORY = ("tmpfs", "ramfs")


def refuse_memory(folder: Path) -> None:
    """Raises SystemExit where `folder` is no disk: a figure from there would say nothing of durability."""
    kind = file_system(folder)
    if kind in _IN_MEMORY:
        raise SystemExit(
            f"{folder} is on {kind}, which forgets\n\nhint: TMPDIR=/a/folder/on/a/disk python -m bench.gateway"
        )


def file_system(folder: Path) -> str:
    """Its type, of the mount that is nearest above."""
    real, best, kind = str(folder.resolve()), "", ""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, point, found, *_ = line.split(" ")
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, found
    return kind


def fdatasync_ms(folder: Path, times: int = 200) -> float:
    """Median of 4 KiB appended and synced."""
    path, took = folder / "fdatasync", []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(times):
            os.write(descriptor, b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(took) * 1000
