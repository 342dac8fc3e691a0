# SPDX-License-Identifier: Apache-2.0
"""What a command writes into a file is there whole, or nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeport.cli.filing import appearing, write_lines
from homeport.errors import Conflict, HomeportError, StorageFull


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with appearing(file, "test") as out:
        out.write(b"half")
        assert not file.exists()
        out.write(b", whole")
    assert file.read_bytes() == b"half, whole" and file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_after_an_error_the_file_is_as_it_was_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("old")
    with pytest.raises(KeyError), appearing(file, "test", replace=True) as out:
        out.write(b"new")
        raise KeyError
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_what_somebody_makes_meanwhile_is_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a"
    with pytest.raises(Conflict, match="is there already"), appearing(file, "test", "another name") as out:
        out.write(b"ours")
        file.write_text("theirs")
    assert file.read_text() == "theirs" and list(tmp_path.iterdir()) == [file]
    with pytest.raises(Conflict), appearing(file, "test"):
        raise AssertionError("it is there before the writing")


def test_a_name_may_be_as_long_as_the_file_system_takes_it(tmp_path: Path) -> None:
    with appearing(tmp_path / ("ü" * 127), "test") as out:
        out.write(b"whole")
    with pytest.raises(HomeportError, match="too long"), appearing(tmp_path / ("x" * 300), "test") as out:
        out.write(b"whole")
    with pytest.raises(HomeportError, match="too long"), appearing(tmp_path / ("x" * 300) / "a", "test"):
        raise AssertionError("there is no such folder")
    assert [path.name for path in tmp_path.iterdir()] == ["ü" * 127]


@pytest.mark.parametrize("place", ["not/there/a", "plain/a", "folder", "."])
def test_a_place_that_cannot_be_written_is_named_before_anything_is_asked(tmp_path: Path, place: str) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(HomeportError, match=r"cannot write"), appearing(tmp_path / place, "test", replace=True):
        raise AssertionError("it cannot be opened")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "plain"]


def test_a_full_disk_is_said_as_such(tmp_path: Path) -> None:
    def lines():
        yield {"id": 1}
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageFull):
        write_lines(lines(), tmp_path / "a")
    assert not list(tmp_path.iterdir())
