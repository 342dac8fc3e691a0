# SPDX-License-Identifier: Apache-2.0
"""Folders with links, pipes and files that move while they are read."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from homeport.drivers.fetchers.folder import FolderFetcher, Options
from homeport.errors import InvalidSource, StalePlan


async def test_links_pipes_and_made_folders_are_left_out_and_said(tmp_path):
    source = tmp_path / "s"
    (source / "node_modules" / "x").mkdir(parents=True)
    (source / "node_modules" / "x" / "index.js").write_text("1")
    (source / "real").mkdir()
    (source / "real" / "a").write_text("1")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder-link").symlink_to("/etc")
    (source / "loop").symlink_to(".")
    os.mkfifo(source / "pipe")
    (source / os.fsdecode(b"\xff.py")).write_text("1")
    view = await FolderFetcher().fetch(str(source))
    assert [entry.path for entry in view.entries()] == ["real/a"]
    told = "\n".join(view.skipped)
    for reason in ("3 symbolic links", "1 special files: pipe", "node_modules", "not UTF-8"):
        assert reason in told
    await FolderFetcher().export(view.source, tmp_path / "out")
    view.close()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["real"]


async def test_a_file_swapped_for_a_link_after_the_look_is_not_followed(tmp_path):
    source = tmp_path / "s"
    (source / "d").mkdir(parents=True)
    (source / "d" / "a").write_text("mine")
    view = await FolderFetcher().fetch(str(source))
    (source / "d" / "a").unlink()
    (source / "d" / "a").symlink_to("/etc/passwd")
    with pytest.raises(StalePlan):
        view.read("d/a")
    (source / "d" / "a").unlink()
    (source / "d").rmdir()
    (source / "d").symlink_to("/etc")
    with pytest.raises(StalePlan):
        view.read("d/a")
    view.close()
    with pytest.raises(StalePlan):
        await FolderFetcher().export(view.source, tmp_path / "out")


async def test_caps_on_files_and_bytes_are_told_with_what_to_do(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for n in range(10):
        (source / str(n)).write_bytes(b"x" * 1000)
    for caps in ({"max_files": 5}, {"max_bytes": 5000}, {"max_seconds": 0.0}):
        with pytest.raises(InvalidSource) as refused:
            await FolderFetcher(Options(**caps)).fetch(str(source))
        assert refused.value.hint


async def test_a_socket_and_an_unreadable_file_do_not_stop_it(tmp_path, monkeypatch):
    source = tmp_path / "s"
    source.mkdir()
    (source / "a").write_text("1")
    monkeypatch.chdir(source)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
        view = await FolderFetcher().fetch(".")
    assert [entry.path for entry in view.entries()] == ["a"]
    view.close()


async def test_a_branch_of_a_plain_folder_makes_no_sense(tmp_path):
    with pytest.raises(InvalidSource, match="no branches"):
        await FolderFetcher().fetch(str(tmp_path), ref="main")


async def test_a_cancelled_copy_leaves_nothing(tmp_path):
    source = tmp_path / "s"
    source.mkdir()
    for n in range(2000):
        (source / str(n)).write_bytes(b"x" * 10_000)
    view = await FolderFetcher().fetch(str(source))
    view.close()
    task = asyncio.create_task(FolderFetcher().export(view.source, tmp_path / "out" / "code"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
