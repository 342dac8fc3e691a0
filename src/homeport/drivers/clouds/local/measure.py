# SPDX-License-Identifier: Apache-2.0
"""What this machine has, as far as this process may use it. Reads files of the kernel; runs nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""cgroup v2 and v1, as a container sees its own; in the root group they are absent or huge."""


def cpus() -> int:
    """Those this process may run on."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """The machine's, or the container's limit where that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([total, *(limit for path in _MEMORY_LIMITS if (limit := _number(Path(path))) > 0)])


def disk_bytes(folder: Path) -> int:
    """Of the disk where `folder` is or will be. Its size, not what is free now: the same plan must stay the same."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(there).total


def gpus(root: Path = Path("/")) -> int:
    """NVIDIA cards with a loaded driver; under WSL, where the driver lists none, 1 if its tool is there."""
    listed = root / "proc/driver/nvidia/gpus"
    if listed.is_dir():
        return sum(1 for _ in listed.iterdir())
    return int((root / "dev/dxg").exists() and (root / "usr/lib/wsl/lib/nvidia-smi").exists())


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
