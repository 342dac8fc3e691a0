# SPDX-License-Identifier: Apache-2.0
"""Names for network namespaces, where the engine gives none (Podman's containers without network).

A process id would do as long as the process lives, and mean a stranger after it: so the namespace is bound to a file
of ours, which means that namespace and no other until it is taken away.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

_MS_BIND, _MNT_DETACH = 0x1000, 0x2


@dataclass(frozen=True)
class Pins:
    folder: Path

    def pin(self, instance: str, pid: int) -> str:
        """The file that is the network namespace of `pid`. Who calls makes sure that it still is that process."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.folder / instance
        self.unpin(instance)
        path.touch(mode=0o600)
        libc = ctypes.CDLL(None, use_errno=True)
        source, target = f"/proc/{pid}/ns/net".encode(), os.fsencode(path)
        if libc.mount(source, target, None, ctypes.c_ulong(_MS_BIND), None) != 0:
            error = ctypes.get_errno()
            path.unlink(missing_ok=True)
            raise OSError(error, os.strerror(error), str(path))
        return str(path)

    def unpin(self, instance: str) -> None:
        """Already gone is no error."""
        path = self.folder / instance
        if path.exists():
            ctypes.CDLL(None).umount2(os.fsencode(path), _MNT_DETACH)
            path.unlink(missing_ok=True)

    def sweep(self, kept: set[str]) -> None:
        """All but those of these instances."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in kept:
                    self.unpin(path.name)
