# SPDX-License-Identifier: Apache-2.0
"""The key file: made once, readable by its owner only, never half-written."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from homeport.errors import HomeportError, failed_write


def read_or_create(path: Path, new: Callable[[], bytes]) -> bytes:
    """The key; made by `new` if there is none. Of several processes that make one at once, one wins for all.

    Raises `HomeportError` for a file that others may read, that is another user's, or is not a plain file.
    """
    try:
        key = _read(path)
        if key is None:
            _create(path, new())
            key = _read(path)
    except OSError as error:
        text = f"the key file cannot be used: {error}"
        raise failed_write(error)(text, operation="open secrets", subject=str(path)) from error
    if key is None:
        raise HomeportError("the key file vanished", operation="open secrets", subject=str(path))
    return key


def _read(path: Path) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise HomeportError("the key file is not a plain file", operation="open secrets", subject=str(path))
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise HomeportError(
                f"others may use the key file {path} (mode {stat.S_IMODE(found.st_mode):04o})",
                operation="open secrets",
                subject=str(path),
                hint=f"chmod 600 '{path}', and consider its secrets known to others",
            )
        if found.st_uid != os.geteuid():
            raise HomeportError(
                f"the key file belongs to user {found.st_uid}, not to {os.geteuid()}",
                operation="open secrets",
                subject=str(path),
                hint=f"run as that user, or: chown {os.geteuid()} '{path}'",
            )
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def _create(path: Path, key: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, not a rename: it never takes the place of a key that another process made meanwhile.
            path.hardlink_to(partial)
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        partial.unlink()
