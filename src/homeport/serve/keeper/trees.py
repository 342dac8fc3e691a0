# SPDX-License-Identifier: Apache-2.0
"""Removing an agent's folders, which may be large and made to be in the way."""

# Names come from scans of folders and are passed on as they are.
# ruff: noqa: PTH104
from __future__ import annotations

import os

from homeport.drivers.runtimes.process.trees import delete_tree


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
        delete_tree(doomed)
    finally:
        os._exit(0)
