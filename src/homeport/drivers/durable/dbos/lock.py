# SPDX-License-Identifier: Apache-2.0
"""One server per state folder.

A second process on the same database re-runs the step that the first one is in the middle of (measured), and DBOS
does not notice. The kernel drops the lock with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from homeport.errors import Conflict


class StateLock:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> None:
        """Raises `Conflict` naming the process that holds it. Idempotent."""
        if self._fd >= 0:
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise Conflict(
                f"another server (pid {holder}) uses this state folder",
                operation="launch",
                subject=str(self._path.parent),
                hint="stop it first, or give this one a state folder of its own (HOMEPORT_HOME)",
            ) from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Idempotent. The file stays: removing it would let two processes lock two files of one name."""
        if self._fd >= 0:
            os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1
