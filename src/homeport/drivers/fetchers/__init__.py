# SPDX-License-Identifier: Apache-2.0
"""Drivers of one interface; see `interfaces/extension_points.py`.

Shared by them: a folder that appears whole, a view with something said above it, pointers of Git LFS.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from homeport.errors import NO_ROOM, Conflict, InvalidSource, StorageFull
from homeport.interfaces.fetcher import FileView
from homeport.model.paths import printable
from homeport.model.source import Source, SourceEntry, Statement

LFS_BYTES = range(100, 1024)
"""Sizes that a pointer of Git LFS can have."""
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*?size (\d{1,18})\n")


def here(address: str) -> Path:
    """A local address as a path of this machine. Raises `InvalidSource` for a home folder of nobody."""
    try:
        return Path(address).expanduser()
    except RuntimeError:
        shown = printable(address.partition("/")[0], 80)
        raise InvalidSource(
            f"there is no user {shown}", operation="fetch", hint=f"for a folder write ./{shown}"
        ) from None


class Described:
    """A view as another one has it, under its own identity, and with what is said above it."""

    def __init__(
        self, view: FileView, source: Source, said: Sequence[Statement] = (), notes: tuple[str, ...] = ()
    ) -> None:
        self._view = view
        self.source = source
        self.skipped = (*notes, *view.skipped)
        self.said = (*said, *view.said)

    def entries(self) -> Sequence[SourceEntry]:
        return self._view.entries()

    def read(self, path: str, limit: int = 262_144) -> bytes:
        return self._view.read(path, limit)

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        return self._view.read_many(paths, limit)

    def close(self) -> None:
        self._view.close()


def pointed_size(data: bytes) -> int | None:
    """The bytes of the file that a pointer of Git LFS stands for; None for anything else."""
    found = _POINTER.match(data)
    return int(found[1]) if found else None


def pointers_told(pointers: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """One line for the user about (path, size) of files that only a pointer is here of; () where there are none."""
    if not pointers:
        return ()
    names = ", ".join(printable(path, 80) for path, _ in pointers[:3])
    total = sum(size for _, size in pointers)
    more = ", …" if len(pointers) > 3 else ""
    return (f"{len(pointers)} files in Git LFS, {total / 1e6:.4g} MB, of which only pointers are here: {names}{more}",)


@contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """A new private folder below `parent`, locked while in use and removed afterwards unless it was renamed away.

    Folders that a killed process left under the same `name` are removed first; those in use elsewhere are not.
    A full disk raises `StorageFull`, and nothing is left.
    """
    parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{name}."
    for left in parent.glob(f"{prefix}*.part"):
        _remove_if_dead(left)
    folder, lock = _locked_folder(parent, prefix)
    try:
        yield folder
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(f"the disk of {parent} is full", operation="write", hint="free some space") from None
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def appear(folder: Path, destination: Path) -> None:
    """Rename a finished folder to its place. Raises `Conflict` if something is there already."""
    if destination.is_symlink() or destination.exists():
        raise Conflict(f"{destination} exists already", operation="export", subject=str(destination))
    folder.chmod(0o755)
    folder.rename(destination)


def write_file(root: Path, path: str, *, executable: bool) -> int:
    """A descriptor to write one new regular file below `root`, a fresh folder of ours; `path` passed `Sieve.admit`."""
    target = root / path
    _make_folder(target.parent)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o755 if executable else 0o644)  # whatever the umask is
    return descriptor


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)


def _locked_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=parent))
        lock = _lock(folder)
        if lock is not None and folder.exists():
            return folder, lock
        if lock is not None:  # swept by another process before it was locked
            os.close(lock)


def _remove_if_dead(folder: Path) -> None:
    lock = _lock(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path) -> int | None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
