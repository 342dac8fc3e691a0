# SPDX-License-Identifier: Apache-2.0
"""What every Fetcher does. The fixture `workshop` makes sources and changes them; `fetcher` reads them."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest

from homeport.errors import Conflict, InvalidSource, NotFound, StalePlan
from homeport.interfaces.fetcher import Fetcher
from homeport.model.locator import locator_of

FILES = {"main.py": b"print('hello')\n", "pkg/data.bin": bytes(range(256)), "empty": b"", "with space/naïve.txt": b"x"}


class Workshop(Protocol):
    def make(self, files: Mapping[str, bytes]) -> str:
        """A new source; returns its locator."""
        ...

    def change(self, locator: str, files: Mapping[str, bytes]) -> None:
        """Replace what it holds, such that the state before cannot be had any more."""
        ...


def below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


TYPED = (
    *("", "-x", "--upload-pack=id", "ext::sh -c id", "file:///etc", "ssh://h/r", "a\nb", "a\x1b[2J", "~nobody-here/x"),
    *("x" * 1500, "image:-x", "template:../x", "no/such.yaml", "no/Dockerfile", "no.yaml#", "\udcff"),
)
"""What is refused, or is not there."""


class FetcherSuite:
    besides: dict[str, bytes] = {}
    """Files that every source of this kind has, whatever the workshop was asked for."""

    def expected(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        return {**self.besides, **files}

    @pytest.mark.parametrize("locator", TYPED)
    def test_what_is_none_of_its_kind_is_not_handled_and_raises_nothing(self, fetcher: Fetcher, locator: str) -> None:
        assert fetcher.handles(locator) is False

    async def test_a_view_lists_all_files_sorted_and_reads_them(self, fetcher: Fetcher, workshop: Workshop) -> None:
        locator = workshop.make(FILES)
        assert fetcher.handles(locator)
        view = await fetcher.fetch(locator)
        try:
            files = self.expected(FILES)
            assert {entry.path: entry.size for entry in view.entries()} == {path: len(files[path]) for path in files}
            assert [entry.path for entry in view.entries()] == sorted(files)
            assert all(one.file and one.key for one in view.said)
            assert view.read_many(list(FILES)) == FILES
            assert view.read("pkg/data.bin", 10) == bytes(range(10))
            assert view.read("main.py") == FILES["main.py"]
            for absent in ("nothing", "../main.py", "/etc/passwd", ""):
                with pytest.raises(NotFound):
                    view.read(absent)
        finally:
            view.close()
            view.close()

    async def test_the_same_state_has_the_same_digest_and_a_change_moves_it(
        self, fetcher: Fetcher, workshop: Workshop
    ) -> None:
        locator = workshop.make(FILES)
        first, second = await fetcher.fetch(locator), await fetcher.fetch(locator)
        assert first.source == second.source
        first.close()
        second.close()
        workshop.change(locator, {**FILES, "main.py": b"print('changed')\n"})
        third = await fetcher.fetch(locator)
        assert third.source.digest != first.source.digest
        third.close()

    async def test_a_source_is_found_again_by_its_record(self, fetcher: Fetcher, workshop: Workshop) -> None:
        view = await fetcher.fetch(workshop.make(FILES))
        view.close()
        locator, ref = locator_of(view.source)
        again = await fetcher.fetch(locator, ref=ref)
        again.close()
        assert (again.source.kind, again.source.locator) == (view.source.kind, view.source.locator)
        assert (again.source.digest, again.source.commit) == (view.source.digest, view.source.commit)

    async def test_an_export_writes_exactly_the_files_with_plain_modes(
        self, fetcher: Fetcher, workshop: Workshop, tmp_path: Path
    ) -> None:
        view = await fetcher.fetch(workshop.make(FILES))
        view.close()
        told: list[str] = []
        target = tmp_path / "deep" / "code"
        await fetcher.export(view.source, target, progress=told.append)
        assert below(target) == self.expected(FILES)
        assert told
        modes = {stat.S_IMODE(path.lstat().st_mode) for path in target.rglob("*") if path.is_file()}
        assert modes == {0o644}
        assert [path.name for path in target.parent.iterdir()] == ["code"]

    async def test_a_moved_source_is_not_exported_and_leaves_nothing(
        self, fetcher: Fetcher, workshop: Workshop, tmp_path: Path
    ) -> None:
        locator = workshop.make(FILES)
        view = await fetcher.fetch(locator)
        view.close()
        workshop.change(locator, {"main.py": b"other"})
        with pytest.raises(StalePlan) as refused:
            await fetcher.export(view.source, tmp_path / "out" / "code")
        assert refused.value.hint
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

    async def test_an_export_never_overwrites(self, fetcher: Fetcher, workshop: Workshop, tmp_path: Path) -> None:
        view = await fetcher.fetch(workshop.make(FILES))
        view.close()
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "mine").write_text("keep")
        with pytest.raises(Conflict):
            await fetcher.export(view.source, tmp_path / "out")
        assert below(tmp_path / "out") == {"mine": b"keep"}

    async def test_two_at_once_do_not_disturb_each_other(
        self, fetcher: Fetcher, workshop: Workshop, tmp_path: Path
    ) -> None:
        locator = workshop.make(FILES)
        views = await asyncio.gather(*(fetcher.fetch(locator) for _ in range(3)))
        assert len({view.source for view in views}) == 1
        source = views[0].source
        await asyncio.gather(*(fetcher.export(source, tmp_path / f"out{n}") for n in range(3)))
        assert all(below(tmp_path / f"out{n}") == self.expected(FILES) for n in range(3))
        for view in views:
            view.close()

    async def test_what_is_not_there_is_refused_with_a_hint(self, fetcher: Fetcher, workshop: Workshop) -> None:
        locator = workshop.make({"a": b"1"}) + "-no-such-thing"
        with pytest.raises(InvalidSource) as refused:
            await fetcher.fetch(locator)
        assert refused.value.hint
