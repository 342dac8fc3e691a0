# SPDX-License-Identifier: Apache-2.0
"""The files below a folder, by descriptors only: a link put in the way at any moment leads nowhere."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from homeport.drivers.fetchers import LFS_BYTES, pointed_size
from homeport.errors import InvalidSource
from homeport.model.paths import DEPTH, Sieve, printable

IGNORED = frozenset({".git", "node_modules", ".venv", "__pycache__"})
"""Folders that are made from the others, or belong to Git."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """One file as it was: `stamp` (inode, size, mtime, ctime) tells cheaply whether it is still the same."""

    path: str
    size: int
    executable: bool
    sha256: str
    stamp: tuple[int, int, int, int]
    pointed: int | None = None
    """The size of the file that it is a pointer of Git LFS for; None: it is none."""


@dataclass(frozen=True, slots=True)
class Caps:
    max_bytes: int
    max_files: int
    check: Callable[[], None]
    """Called often; raises to stop the walk (too late, cancelled)."""


def open_root(folder: Path) -> int:
    """A descriptor of the folder the user named; that one may be a link. Raises `InvalidSource`."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        message = f"cannot read the folder {printable(str(folder), 160)}: {error.strerror}"
        hint = "give a folder that exists and that you may read"
        raise InvalidSource(message, operation="fetch", subject=str(folder), hint=hint) from None


def walk(root: int, sieve: Sieve, caps: Caps) -> list[Seen]:
    """All regular files in the order of their paths, each read and hashed. Raises `InvalidSource` over a cap."""
    seen: list[Seen] = []
    total = looked_at = 0
    folders = [b""]
    while folders:
        folder = folders.pop()
        for name, entry_mode in _listing(root, folder, sieve):
            caps.check()
            looked_at += 1
            raw = folder + b"/" + name if folder else name
            shown = raw.decode(errors="replace")
            if looked_at > caps.max_files * 2 or len(seen) >= caps.max_files:
                raise _over(f"more than {caps.max_files} files")
            if stat.S_ISDIR(entry_mode):
                if name.decode(errors="replace") in IGNORED:
                    sieve.skip("folders that are not part of a source", shown)
                elif raw.count(b"/") < DEPTH:
                    folders.append(raw)
                else:
                    sieve.skip("names that are too long or too deep", shown)
            elif stat.S_ISLNK(entry_mode):
                sieve.skip("symbolic links", shown)
            elif not stat.S_ISREG(entry_mode):
                sieve.skip("special files", shown)
            elif (path := sieve.admit(raw)) is not None:
                found = _hash(root, path, caps, caps.max_bytes - total)
                if found is None:
                    sieve.skip("files that cannot be read", path)
                    continue
                total += found.size
                seen.append(found)
    return sorted(seen, key=lambda one: one.path)


def open_file(root: int, path: str) -> int:
    """A descriptor of a regular file below `root`, no component of `path` being a link. Raises `OSError`."""
    *folders, name = path.split("/")
    parent = _open_folder(root, "/".join(folders).encode())
    try:
        descriptor = os.open(name, _FILE, dir_fd=parent)
    finally:
        os.close(parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return descriptor


def stamp_of(descriptor: int) -> tuple[int, int, int, int]:
    status = os.fstat(descriptor)
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _listing(root: int, folder: bytes, sieve: Sieve) -> list[tuple[bytes, int]]:
    try:
        descriptor = _open_folder(root, folder)
    except OSError:
        sieve.skip("folders that cannot be read", folder.decode(errors="replace"))
        return []
    try:
        names = sorted(os.fsencode(name) for name in os.listdir(descriptor))  # noqa: PTH208  (a descriptor, not a path)
        return [(name, mode) for name in names if (mode := _mode(name, descriptor))]
    finally:
        os.close(descriptor)


def _mode(name: bytes, folder: int) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:  # removed since it was listed
        return 0


def _open_folder(root: int, folder: bytes) -> int:
    descriptor = os.dup(root)
    for part in folder.split(b"/") if folder else ():
        try:
            deeper = os.open(part, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _hash(root: int, path: str, caps: Caps, room: int) -> Seen | None:
    try:
        descriptor = open_file(root, path)
    except OSError:
        return None
    try:
        digest, size, stamp = hashlib.sha256(), 0, stamp_of(descriptor)
        pointed: int | None = None
        if stamp[1] > room:  # a sparse file of a terabyte is not read to find that out
            raise _over(f"more than {caps.max_bytes // 1_000_000} MB")
        while chunk := os.read(descriptor, _CHUNK):
            caps.check()
            size += len(chunk)
            if size > room:
                raise _over(f"more than {caps.max_bytes // 1_000_000} MB")
            digest.update(chunk)
            pointed = pointed_size(chunk) if size in LFS_BYTES else None
        executable = bool(os.fstat(descriptor).st_mode & stat.S_IXUSR)
        return Seen(path, size, executable, digest.hexdigest(), stamp, pointed)
    finally:
        os.close(descriptor)


def _over(what: str) -> InvalidSource:
    return InvalidSource(
        f"the folder holds {what}, which is more than is read",
        operation="fetch",
        hint="name the folder of the agent itself, without data and models",
    )
