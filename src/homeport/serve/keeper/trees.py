# SPDX-License-Identifier: Apache-2.0
"""Removing an agent's folders, which may be large and made to be in the way."""

# Names come from scans of folders and are passed on as they are.
# ruff: noqa: PTH101, PTH104, PTH108
from __future__ import annotations

import os
from pathlib import Path


def remove_tree(folder: str) -> None:
    """Gone from its place at once; its content is deleted by a child process, so that nobody waits for it."""
    doomed = f"{folder}.removed"
    try:
        os.rename(folder, doomed)
    except FileNotFoundError:
        if not os.path.lexists(doomed):
            return
    if os.fork():
        return
    try:
        os.closerange(3, 65536)
        _delete(doomed)
    finally:
        os._exit(0)


def _delete(folder: str) -> None:
    """Depth first; folders that were closed to their own user are opened. Links are removed, never followed."""
    os.chmod(folder, 0o700)
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            _delete(entry.path)
        else:
            os.unlink(entry.path)
    Path(folder).rmdir()
