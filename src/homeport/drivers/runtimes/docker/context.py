# SPDX-License-Identifier: Apache-2.0
"""A folder as the tar of a build context: regular files only, links neither sent nor followed, the same each time."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from homeport.drivers.runtimes.docker.ignoring import ALWAYS, Ignored, parse
from homeport.errors import InvalidSource

MOST_FILES = 100_000
MOST_BYTES = 1 << 30
_LONGEST_IGNORE = 1 << 20


def pack(folder: Path, file: IO[bytes], dockerfile: str) -> None:
    """Raises `InvalidSource` for a context that is too large or has no such Dockerfile, OSError for a full disk."""
    if not dockerfile or dockerfile.startswith(("/", "-")) or ".." in Path(dockerfile).parts:
        raise InvalidSource(f"{dockerfile!r} is no file of the build context", operation="build", subject=dockerfile)
    kept = {*ALWAYS, os.path.normpath(dockerfile)}
    sent: set[str] = set()
    total = 0
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, descriptor in _files(folder, _ignored(folder), kept):
            with os.fdopen(descriptor, "rb") as content:
                found = os.fstat(content.fileno())
                total += found.st_size
                if len(sent) >= MOST_FILES or total > MOST_BYTES:
                    raise InvalidSource(
                        f"the build context is larger than {MOST_FILES} files or {MOST_BYTES >> 20} MB",
                        operation="build", subject=str(folder), hint="leave out what is not needed by a .dockerignore",
                    )  # fmt: skip
                info = tarfile.TarInfo(path)
                info.size, info.mode = found.st_size, 0o755 if found.st_mode & 0o100 else 0o644
                tar.addfile(info, content)
                sent.add(path)
    if os.path.normpath(dockerfile) not in sent:
        raise InvalidSource(f"there is no file {dockerfile} to build from", operation="build", subject=dockerfile)


def _ignored(folder: Path) -> Ignored:
    try:
        descriptor = os.open(folder / ".dockerignore", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Ignored()
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Ignored()
        return parse(file.read(_LONGEST_IGNORE).decode("utf-8", "replace"))


def _files(folder: Path, ignored: Ignored, kept: set[str]) -> Iterator[tuple[str, int]]:
    """Relative path and an open descriptor of each regular file, in the order of their names."""
    for top, folders, names, top_fd in os.fwalk(folder, follow_symlinks=False):
        below = os.path.relpath(top, folder)
        prefix = "" if below == "." else f"{below}/"
        folders.sort()
        if not ignored.takes_back:
            above = {os.path.dirname(path) for path in kept}  # noqa: PTH120  a name in a tar
            folders[:] = [
                name
                for name in folders
                if not ignored.holds(prefix + name) or any(f"{path}/".startswith(f"{prefix}{name}/") for path in above)
            ]
        for name in sorted(names):
            path = prefix + name
            if path not in kept and ignored.holds(path):
                continue
            descriptor = _open(name, top_fd)
            if descriptor >= 0:
                yield path, descriptor


def _open(name: str, folder: int) -> int:
    """-1 for anything but a regular file: opened without following or waiting, then looked at."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return -1
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return -1
