# SPDX-License-Identifier: Apache-2.0
"""Going through folders that agents write to while we look: by descriptors, never through a link."""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from homeport.app.backups.contents import LONGEST_PATH, Kind

DEPTH = 100
"""Folders in folders; each costs a descriptor."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True, slots=True)
class Found:
    """`name` in the folder that the descriptor `parent` stands for, until the next one is asked for."""

    path: str
    kind: Kind
    name: str
    parent: int
    mode: int
    mtime: float


class LeftOut:
    """What could not be taken, by reason."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, reason: str) -> None:
        self._counts[reason] += 1

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{count} {reason}" for reason, count in sorted(self._counts.items()))


def walk(top: Path, prefix: str, left_out: LeftOut) -> Iterator[Found]:
    """All below `top`, folders before what is in them; paths begin with `prefix`. Not there: nothing.

    Sockets, pipes and devices are left out, and so is what goes away meanwhile.
    """
    try:
        stack = [(_open(str(top), None), prefix)]
    except OSError as error:
        _note(error, left_out)
        return
    entries = [_listed(stack[0][0], left_out)]
    try:
        while stack:
            folder, path = stack[-1]
            name = next(entries[-1], None)
            if name is None:
                os.close(stack.pop()[0])
                entries.pop()
                continue
            found = _look(folder, name, f"{path}/{name}", left_out)
            if found is None:
                continue
            yield found
            if found.kind is Kind.FOLDER:
                if len(stack) >= DEPTH:
                    left_out.note(f"folders more than {DEPTH} deep")
                    continue
                try:
                    inner = _open(name, folder)
                except OSError as error:
                    _note(error, left_out)
                    continue
                stack.append((inner, found.path))
                entries.append(_listed(inner, left_out))
    finally:
        for folder, _ in stack:
            os.close(folder)


def open_file(name: str, parent: int | None) -> int:
    """A descriptor of a regular file. Raises OSError for anything else."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.ENOENT, "no file any more")
    return handle


def note_lost(error: OSError, left_out: LeftOut) -> None:
    """A file that could not be read: gone is nothing to mention, closed is."""
    _note(error, left_out)


def _look(folder: int, name: str, path: str, left_out: LeftOut) -> Found | None:
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}
    kind = kinds.get(stat.S_IFMT(seen.st_mode))
    if kind is None:
        return None  # sockets and pipes mean nothing elsewhere
    if len(os.fsencode(path)) > LONGEST_PATH:
        left_out.note("files whose path is too long")
        return None
    return Found(path, kind, name, folder, stat.S_IMODE(seen.st_mode) & 0o777, seen.st_mtime)


def _listed(folder: int, left_out: LeftOut) -> Iterator[str]:
    try:
        return iter(sorted(os.listdir(folder)))
    except OSError as error:
        _note(error, left_out)
        return iter(())


def _note(error: OSError, left_out: LeftOut) -> None:
    if error.errno not in _GONE:
        left_out.note(f"files or folders that cannot be read ({error.strerror})")


def _open(name: str, parent: int | None) -> int:
    return os.open(name, _FOLDER, dir_fd=parent)
