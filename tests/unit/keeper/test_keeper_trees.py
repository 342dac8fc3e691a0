# SPDX-License-Identifier: Apache-2.0
"""What an agent left is deleted, however it left it, and nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

from homeport.drivers.runtimes.process.trees import delete_tree


def deep(folder: Path, levels: int) -> None:
    """Deeper than a path can be long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_tree_deeper_than_any_path_is_deleted(tmp_path):
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    deep(doomed, 2100)
    delete_tree(str(doomed))
    assert not list(tmp_path.iterdir())


def test_closed_folders_are_opened_and_links_are_never_followed(tmp_path):
    kept, doomed = tmp_path / "kept", tmp_path / "doomed"
    for folder in (kept, doomed, doomed / "a", doomed / "a" / "b", doomed / "a" / "b" / "c"):
        folder.mkdir()
    (kept / "file").write_text("x")
    kept.chmod(0o750)
    for number in range(2500):
        (doomed / "a" / str(number)).touch()
    (doomed / "link").symlink_to(kept)
    (doomed / "a" / "link").symlink_to(kept)
    os.mkfifo(doomed / "a" / "b" / "fifo")
    for folder in (doomed / "a" / "b" / "c", doomed / "a" / "b", doomed / "a", doomed):
        folder.chmod(0)
    delete_tree(str(doomed))
    assert list(tmp_path.iterdir()) == [kept]
    assert (kept / "file").exists() and kept.stat().st_mode & 0o777 == 0o750


def test_what_is_not_there_is_deleted_already_and_a_link_is_refused(tmp_path):
    delete_tree(str(tmp_path / "nothing"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    try:
        delete_tree(str(tmp_path / "link"))
    except OSError:
        refused = True
    assert refused and (tmp_path / "kept").is_dir()
