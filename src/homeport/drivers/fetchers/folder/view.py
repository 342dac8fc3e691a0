# SPDX-License-Identifier: Apache-2.0
"""A folder as it was when it was walked."""

from __future__ import annotations

import os
from collections.abc import Sequence

from homeport.drivers.fetchers.folder.walk import Seen, open_file, stamp_of
from homeport.errors import NotFound, StalePlan
from homeport.model.source import Source, SourceEntry, Statement


class FolderView:
    """Owns the descriptor `root` until it is closed."""

    def __init__(self, source: Source, root: int, seen: Sequence[Seen], skipped: tuple[str, ...]) -> None:
        self.source = source
        self.skipped = skipped
        self.said: tuple[Statement, ...] = ()
        self._root = root
        self._seen = {one.path: one for one in seen}
        self._entries = tuple(SourceEntry(one.path, one.size, one.executable) for one in seen)

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def read(self, path: str, limit: int = 262_144) -> bytes:
        one = self._seen.get(path)
        if one is None:
            raise NotFound(f"no file {path!r} in this source", operation="read", subject=path)
        try:
            descriptor = open_file(self._root, path)
        except OSError:
            raise _moved(path) from None
        with os.fdopen(descriptor, "rb") as file:
            if stamp_of(descriptor) != one.stamp:
                raise _moved(path)
            return file.read(limit)

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        return {path: self.read(path, limit) for path in paths}

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1


def _moved(path: str) -> StalePlan:
    return StalePlan(f"{path!r} changed while it was read", operation="read", subject=path, hint="run it again")
