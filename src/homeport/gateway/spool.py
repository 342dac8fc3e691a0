# SPDX-License-Identifier: Apache-2.0
"""Bodies: small ones stay in memory and go into the journal, large ones go to a file beside it, or on its shelf."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from homeport.errors import NO_ROOM, HomeportError, StorageFull, Unavailable, Unreadable
from homeport.gateway.core.aead import ChunkSealer
from homeport.gateway.sealing.bodies import SUFFIX, chunk_sealer, head_size, open_body, open_file, open_head, seal_body
from homeport.gateway.sealing.keys import Keys, changed
from homeport.gateway.sealing.whose import of_request, of_response
from homeport.interfaces.journal import Shelf
from homeport.model.request import Body

INLINE = 256 * 1024
CHUNK = 256 * 1024
_NO_FILES = {errno.EMFILE, errno.ENFILE}
COPIES = 256 * 1024 * 1024
"""Bytes of bodies on the shelf of which a copy stays in the folder: most are read soon after they were written."""


class Spool:
    """The folder of large bodies, 0700. With a shelf it holds copies only, none of them of a former life.

    `keys` are the gateway's: bodies are kept encrypted where it says so. Whoever reads a body says whose it is
    (`sealing.whose_request`, `whose_response`; "" for one in clear): what was kept for somebody else does not open.
    """

    keys: Keys | None = None

    def __init__(self, folder: Path, shelf: Shelf | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.shelf = shelf
        self._kept = 0
        self._copies: dict[str, int] = {}
        self._fetched = itertools.count()
        if shelf is not None:
            for entry in folder.iterdir():
                entry.unlink()

    @property
    def kept_bytes(self) -> int:
        """Of the files that were kept here, those of a former life included once they were `found`."""
        return self._kept if self.shelf is None else sum(self._copies.values())

    def found(self, name: str) -> None:
        """It is there from a former life, and somebody needs it."""
        if self.shelf is None and (path := self.path(name)).exists():
            self.keeps(path.stat().st_size)

    def keeps(self, size: int) -> None:
        """So many more bytes, or fewer."""
        self._kept = max(0, self._kept + size)

    def writer(self, name: str) -> BodyWriter:
        """`name` becomes the file's name, if there is ever a file: REQUEST.request or REQUEST.FENCE.answer."""
        return BodyWriter(self, name)

    async def read(self, body: Body, whose: str, start: int = 0) -> Iterator[bytes]:
        """The body from byte `start` on, in pieces of at most 256 KiB. It, or a piece, raises `HomeportError` when its
        file is gone or cut, `Unreadable` where it was changed or its key is not here, `Unavailable` while the shelf
        that has it is away."""
        if not body.spool:
            inline = await open_body(self._keys(), body, whose) if whose else _clear(body)
            return iter((inline[start:] if start else inline,))
        _check(body, whose)
        path = self.path(body.spool)
        if self.shelf is not None and not path.exists():
            await self._fetch(self.shelf, path.name)
        if whose:
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise _gone(body.spool) from None
            return await open_file(self._keys(), file, body.size, whose, start)
        pieces = _pieces(path, body, start)
        next(pieces)  # The file is open from now on, whoever removes its name.
        return pieces

    async def head(self, body: Body, limit: int, whose: str) -> bytes:
        """The first `limit` bytes, or b"" when the file is gone. Raises as `read` for one that was changed."""
        if not body.spool:
            if not whose or not body.inline:
                return _clear(body)[:limit]
            return (await open_body(self._keys(), body, whose))[:limit]
        _check(body, whose)
        found = await self._first(body.spool, head_size(body.size, limit) if whose else limit)
        if not whose or not found:
            return found
        return (await open_head(self._keys(), found, body.size, whose))[:limit]

    def sealed(self, body: Body, whose: str) -> Body:
        """As an inline one is kept."""
        return body if self.keys is None else replace(body, inline=seal_body(self.keys, body.inline, whose))

    async def names(self) -> list[str]:
        """Those that may have been left by a former life."""
        if self.shelf is not None:
            return await self.shelf.orphans()
        return sorted(entry.name for entry in self.folder.iterdir())

    async def remove(self, name: str) -> None:
        self._copies.pop(name, None)
        # A large file takes its time to go: not in the loop.
        self.keeps(-await asyncio.to_thread(_unlink, self.path(name)))
        if self.shelf is not None:
            try:
                await self.shelf.remove(name)
            except Unavailable:
                pass  # an orphan now: our next life removes it

    def path(self, name: str) -> Path:
        return self.folder / Path(name).name

    def copied(self, name: str, size: int) -> None:
        """It is on the shelf and in the folder: the oldest copies make room for it."""
        self._copies[name] = size
        while sum(self._copies.values()) > COPIES:
            oldest = next(iter(self._copies))
            del self._copies[oldest]
            self.path(oldest).unlink(missing_ok=True)

    def _keys(self) -> Keys:
        if self.keys is None:
            raise Unreadable("this gateway has no keys", operation="read a body")
        return self.keys

    async def _first(self, name: str, limit: int) -> bytes:
        if self.shelf is not None:
            return await self.shelf.head(name, limit)
        try:
            with self.path(name).open("rb") as file:
                return file.read(limit)
        except FileNotFoundError:
            return b""

    async def _fetch(self, shelf: Shelf, name: str) -> None:
        fresh = self.folder / f".{name}.{next(self._fetched)}"
        if not await shelf.fetch(name, fresh):
            raise _gone(name)
        fresh.replace(self.path(name))
        self.copied(name, self.path(name).stat().st_size)


class BodyWriter:
    """Collects one body. `write` and `finish` raise `StorageFull`; then `discard` it.

    `finish` raises `Unavailable` while the shelf is away; it may be called again.
    """

    __slots__ = ("_file", "_name", "_pieces", "_sealer", "_spilled", "_spool", "size")

    def __init__(self, spool: Spool, name: str) -> None:
        self._spool = spool
        self._name = name
        self._sealer: ChunkSealer | None = None
        self._pieces: list[bytes] = []
        self._file: BinaryIO | None = None
        self._spilled = False
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is None:
            self._pieces.append(data)
            if self.size > INLINE:
                self._spill()
            return
        if self._sealer is None:
            self._put(data)
            return
        for chunk in self._sealer.feed(data):
            self._put(chunk)

    async def finish(self) -> Body:
        """The body; if it went to a file, that is on disk with its folder entry, or on the shelf."""
        if not self._spilled:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            keys = self._spool.keys
            return Body(data if keys is None else seal_body(keys, data, self._whose), "", self.size)
        shelf = self._spool.shelf
        if self._file is not None:
            if self._sealer is not None:
                self._put(self._sealer.finish())
                self._sealer = None
            await asyncio.to_thread(self._close, self._file, sync=shelf is None)
            self._file = None
            self._spool.keeps(self.size)
        if shelf is not None:
            await shelf.put(self._name, self._path)
            self._spool.copied(self._name, self.size)
        self._spilled = False
        return Body(b"", self._name, self.size)

    def at_hand(self) -> Body | None:
        """As `finish`, of one that is in memory and is not encrypted."""
        if self._spilled or (self._spool.keys is not None and self._spool.keys.current is not None):
            return None
        return Body(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces), "", self.size)

    def discard(self) -> None:
        """Forget it, and its file. Idempotent; after `finish` the file stays."""
        self._pieces = []
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._spilled:
            self._spilled = False
            self._path.unlink(missing_ok=True)

    @property
    def _whose(self) -> str:
        request_id = self._name.partition(".")[0]
        return of_request(request_id) if self._name.endswith(".request") else of_response(request_id)

    @property
    def _path(self) -> Path:
        return self._spool.path(self._name)

    def _spill(self) -> None:
        keys = self._spool.keys
        sealer = None if keys is None else chunk_sealer(keys, self._whose)
        if sealer is not None:
            self._name += SUFFIX
        try:
            self._file = self._path.open("xb", buffering=0)
        except OSError as error:
            raise _known(error, self._path) from error
        self._spilled = True
        pieces, self._pieces = self._pieces, []
        if sealer is not None:
            self._sealer = sealer
            pieces = [sealer.header, *(chunk for piece in pieces for chunk in sealer.feed(piece))]
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

    def _close(self, file: BinaryIO, *, sync: bool) -> None:
        try:
            if sync:
                os.fsync(file.fileno())
            file.close()
            if not sync:
                return
            folder = os.open(self._spool.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise _known(error, self._path) from error


def _clear(body: Body) -> bytes:
    """What is encrypted is longer: then its headers were changed, which say so."""
    if len(body.inline) > body.size:
        raise changed("it is not kept as it should be")
    return body.inline


def _check(body: Body, whose: str) -> None:
    """The name says how it is kept, and so does who asks for it."""
    if body.spool.endswith(SUFFIX) != bool(whose):
        raise changed("it is not kept as it should be")


def _pieces(path: Path, body: Body, start: int) -> Iterator[bytes]:
    """b"" first."""
    left = body.size - start
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            yield b""
            while left and (piece := file.read(min(CHUNK, left))):
                left -= len(piece)
                yield piece
    except FileNotFoundError:
        pass
    if left:
        raise _gone(body.spool)


def _unlink(path: Path) -> int:
    """The bytes that were there."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _gone(name: str) -> HomeportError:
    return HomeportError("a stored body is not there any more", operation="read a body", subject=name)


def _known(error: OSError, path: Path) -> HomeportError:
    kind: type[HomeportError] = StorageFull  # also where it is read-only or broken: what must be kept waits for it
    if error.errno in _NO_FILES:
        kind, hint = (
            Unavailable,
            "nothing was accepted: try again soon, or give the gateway more open files (ulimit -n)",
        )
    elif error.errno in NO_ROOM:
        hint = f"free space on the file system of {path.parent}"
    else:
        hint = f"the kernel's log and `mount` say more about the disk of {path.parent}"
    return kind(f"a body cannot be stored: {error.strerror}", operation="spool a body", subject=str(path), hint=hint)
