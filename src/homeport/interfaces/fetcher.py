# SPDX-License-Identifier: Apache-2.0
"""Reading a source: a bounded view of files, never a checkout, nothing executed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from homeport.model.source import Source, SourceEntry, Statement

Progress = Callable[[str], None]


class FileView(Protocol):
    """What analysis sees. Paths are relative, with "/", valid UTF-8, never absolute, without "..".

    Symbolic links, submodules and special files are not in it; `skipped` says what was left out, and why: one line
    for each reason, with how many and the first few names. `said` is what stands above the files: in the agents file
    or the template that named them.
    """

    source: Source
    skipped: tuple[str, ...]
    said: tuple[Statement, ...]

    def entries(self) -> Sequence[SourceEntry]:
        """All files, sorted by path."""
        ...

    def read(self, path: str, limit: int = 262_144) -> bytes:
        """At most `limit` bytes. Raises `NotFound` for a path that is not an entry, `StalePlan` if the file changed."""
        ...

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        """The same for many, in one go."""
        ...

    def close(self) -> None: ...


class Fetcher(Protocol):
    def handles(self, locator: str) -> bool:
        """Whether this locator is of its kind. No I/O beyond a look at local paths."""
        ...

    async def fetch(self, locator: str, *, ref: str = "", progress: Progress | None = None) -> FileView:
        """A view of exactly one state of the source, within the caps on bytes, files and seconds.

        Raises `InvalidSource` (unknown, private, refused, over a cap) with what to do; safe to repeat.
        """
        ...

    async def export(self, source: Source, destination: Path, *, progress: Progress | None = None) -> None:
        """Write exactly the files of `source` (its commit or digest) below `destination`, which must not exist.

        Regular files and folders only, modes 0644, 0755. Appears whole or not at all (written aside, renamed). Of an
        image nothing is written: the folder is empty, and the image is there under its id.
        Raises `StalePlan` where the source has moved and the planned state can no longer be had.
        """
        ...
