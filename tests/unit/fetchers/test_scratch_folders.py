# SPDX-License-Identifier: Apache-2.0
"""Folders that appear whole: what is in use stays, what the dead left goes, a full disk leaves nothing."""

from __future__ import annotations

import errno
import os

import pytest

from homeport.drivers.fetchers import appear, scratch, write_file
from homeport.errors import Conflict, StorageFull


def test_a_folder_in_use_is_not_swept_and_a_left_one_is(tmp_path):
    left = tmp_path / ".code.left.part"
    left.mkdir()
    (left / "half").write_text("x")
    with scratch(tmp_path, "code") as first, scratch(tmp_path, "code") as second:
        assert first.is_dir() and second.is_dir() and first != second
        assert not left.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_finished_folder_stays_and_is_never_put_over_another(tmp_path):
    with scratch(tmp_path, "code") as aside:
        os.close(write_file(aside, "bin/run", executable=True))
        appear(aside, tmp_path / "code")
    assert (tmp_path / "code" / "bin" / "run").stat().st_mode & 0o777 == 0o755
    with scratch(tmp_path, "code") as aside, pytest.raises(Conflict):
        appear(aside, tmp_path / "code")
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


def test_modes_do_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        os.close(write_file(tmp_path, "a/b", executable=False))
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o644


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(StorageFull), scratch(tmp_path, "code"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
