# SPDX-License-Identifier: Apache-2.0
"""The process and its disk, by the names that every Prometheus client library uses."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from homeport.gateway.metrics import families as f
from homeport.gateway.metrics.families import Reading

_STARTED = time.time() - time.process_time()
_PAGE = os.sysconf("SC_PAGE_SIZE")


def process() -> Iterator[Reading]:
    """What this system does not tell is left out."""
    yield Reading(f.CPU, time.process_time())
    yield Reading(f.STARTED, _STARTED)
    yield Reading(f.MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    try:
        yield Reading(f.MEMORY, int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)
        yield Reading(f.OPEN_FILES, len(os.listdir("/proc/self/fd")))  # noqa: PTH208  (a count, no paths)
    except OSError:
        return  # no /proc, or no file to read it with


def disk(folder: Path) -> Iterator[Reading]:
    try:
        found = os.statvfs(folder)
    except OSError:
        return
    yield Reading(f.DISK_FREE, found.f_bavail * found.f_frsize)
