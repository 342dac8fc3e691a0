# SPDX-License-Identifier: Apache-2.0
"""Deleting what agents left: as deep, as wide and as closed as they could make it, by descriptors only."""

# Names are relative to descriptors here.
# ruff: noqa: PTH101, PTH106
from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BATCH = 1000


def delete_tree(folder: str) -> None:
    """`folder` and all in it; nothing if it is not there. Links are removed, never followed.

    Neither depth nor the length of paths is a limit: what lies deeper is moved up before its parent goes. Folders
    closed to their own user are opened. Nobody else may write below `folder` meanwhile. Raises OSError.
    """
    try:
        top = _open(folder, None)
    except FileNotFoundError:
        return
    try:
        fresh = (f".{os.urandom(8).hex()}-{number}" for number in itertools.count())
        while entries := _some(top):
            for name, is_folder in entries:
                if is_folder:
                    _flatten(name, top, fresh)
                else:
                    os.unlink(name, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(folder)


def _flatten(name: str, top: int, fresh: Iterator[str]) -> None:
    """Delete the folder `name`; the folders in it go to `top`, under fresh names."""
    inner = _open(name, top)
    try:
        while entries := _some(inner):
            for below, is_folder in entries:
                if is_folder:
                    _move_up(below, inner, next(fresh), top)
                else:
                    os.unlink(below, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _move_up(name: str, parent: int, to: str, top: int) -> None:
    try:
        os.rename(name, to, src_dir_fd=parent, dst_dir_fd=top)
    except PermissionError:  # a folder that changes its parent is written to
        os.close(_open(name, parent))
        os.rename(name, to, src_dir_fd=parent, dst_dir_fd=top)


def _some(folder: int) -> list[tuple[str, bool]]:
    """Name, and whether it is a folder, of some entries; [] once there are none."""
    with os.scandir(folder) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(entries, _BATCH)]


def _open(name: str, parent: int | None) -> int:
    """A descriptor of a folder that its owner may read, write and enter from now on."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(handle).st_mode & 0o700 != 0o700:
            os.chmod(f"/proc/self/fd/{handle}", 0o700)
        return os.open(".", _FOLDER, dir_fd=handle)
    finally:
        os.close(handle)
