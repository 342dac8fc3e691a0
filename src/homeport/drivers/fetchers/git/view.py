# SPDX-License-Identifier: Apache-2.0
"""One commit as analysis sees it."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.drivers.fetchers.git.objects import Objects
from homeport.drivers.fetchers.git.tree import MISSING, Tree
from homeport.errors import NotFound
from homeport.model.source import Source, SourceEntry, Statement


class GitView:
    """Owns `objects` until it is closed."""

    def __init__(self, source: Source, tree: Tree, objects: Objects, skipped: tuple[str, ...]) -> None:
        self.source = source
        self.skipped = skipped
        self.said: tuple[Statement, ...] = ()
        self._objects = objects
        self._blobs = {blob.path: blob for blob in tree.blobs}
        self._entries = tuple(SourceEntry(blob.path, blob.size, blob.executable) for blob in tree.blobs)

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def read(self, path: str, limit: int = 262_144) -> bytes:
        blob = self._blobs.get(path)
        if blob is None:
            raise NotFound(f"no file {path!r} in this source", operation="read", subject=path)
        return b"" if blob.size == MISSING else self._objects.read(blob.oid, limit)

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        small = [path for path in paths if 0 <= self._size(path) <= limit]
        read = dict(zip(small, self._objects.read_each([self._blobs[path].oid for path in small], limit), strict=True))
        return {path: read[path] if path in read else self.read(path, limit) for path in paths}

    def _size(self, path: str) -> int:
        blob = self._blobs.get(path)
        return MISSING if blob is None else blob.size

    def close(self) -> None:
        self._objects.close()
