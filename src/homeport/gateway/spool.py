# SPDX-License-Identifier: Apache-2.0
"""Bodies: small ones stay in memory and go into the journal, large ones go to a file beside it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from homeport.errors import HomeportError, StorageFull
from homeport.model.request import Body

INLINE = 256 * 1024
CHUNK = 256 * 1024
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Spool:
    """The folder of large bodies, 0700."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder

    def writer(self, name: str) -> BodyWriter:
        """`name` becomes the file's name, if there is ever a file."""
        return BodyWriter(self.folder, name)

    def chunks(self, body: Body) -> Iterator[bytes]:
        """The body in pieces of at most 256 KiB. Raises `HomeportError` when its file is gone or cut."""
        if not body.spool:
            yield body.inline
            return
        left = body.size
        try:
            with self._path(body).open("rb", buffering=0) as file:
                while left and (piece := file.read(min(CHUNK, left))):
                    left -= len(piece)
                    yield piece
        except FileNotFoundError:
            pass
        if left:
            raise HomeportError("a stored body is not there any more", operation="read a body", subject=body.spool)

    def head(self, body: Body, limit: int) -> bytes:
        """The first `limit` bytes, or b"" when the file is gone."""
        if not body.spool:
            return body.inline[:limit]
        try:
            with self._path(body).open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return b""

    def names(self) -> list[str]:
        return sorted(entry.name for entry in self.folder.iterdir())

    def remove(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def _path(self, body: Body) -> Path:
        return self.folder / Path(body.spool).name


class BodyWriter:
    """Collects one body. `write` and `finish` raise `StorageFull`; then `discard` it."""

    __slots__ = ("_file", "_folder", "_name", "_pieces", "size")

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._pieces: list[bytes] = []
        self._file: BinaryIO | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is None:
            self._pieces.append(data)
            if self.size > INLINE:
                self._spill()
            return
        self._put(data)

    async def finish(self) -> Body:
        """The body; on disk, with its folder entry, if it went to a file."""
        if self._file is None:
            return Body(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces), "", self.size)
        await asyncio.to_thread(self._sync, self._file)
        self._file = None
        return Body(b"", self._name, self.size)

    def discard(self) -> None:
        """Forget it, and its file. Idempotent."""
        self._pieces = []
        if self._file is not None:
            self._file.close()
            self._file = None
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self._folder / self._name

    def _spill(self) -> None:
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise _known(error, self._path) from error
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            self._put(piece)

    def _put(self, data: bytes) -> None:
        assert self._file is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _known(error, self._path) from error

    def _sync(self, file: BinaryIO) -> None:
        try:
            os.fsync(file.fileno())
            file.close()
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _known(error, self._path) from error


def _known(error: OSError, path: Path) -> HomeportError:
    kind = StorageFull if error.errno in _NO_ROOM else HomeportError
    return kind(
        f"a body cannot be stored: {error.strerror}",
        operation="spool a body",
        subject=str(path),
        hint=f"free space on the file system of {path.parent}" if kind is StorageFull else "",
    )
