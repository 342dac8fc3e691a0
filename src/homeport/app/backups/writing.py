# SPDX-License-Identifier: Apache-2.0
"""The archive as a stream of bytes, made while it is sent: nothing of it is kept here but the list of its members."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from homeport.app.backups.contents import (
    FAILURE,
    HEADER,
    MANIFEST,
    MEMBER_LISTED,
    MOST_LISTED,
    MOST_MEMBERS,
    Header,
    Kind,
    Manifest,
    Member,
    written,
)
from homeport.app.backups.walking import Found, LeftOut, note_lost, open_file, walk
from homeport.errors import HomeportError
from homeport.model.codec import to_json

LEVEL = 1
"""Of gzip: what is in agents' folders is packed already, or hardly packs better."""
PIECE = 1 << 18


class ArchiveWriter:
    """Each method gives the next bytes of the archive. Synchronous: the caller chooses the thread, one at a time."""

    def __init__(self) -> None:
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
        self._out = bytearray()
        self.members: list[Member] = []
        self._listed = 0
        self.left_out = LeftOut()

    def begin(self, header: Header) -> Iterator[bytes]:
        """Given out at once, so that whoever waits knows that it has begun."""
        yield from self.content(HEADER, to_json(header))
        self._out += self._gzip.flush(zlib.Z_SYNC_FLUSH)
        yield self._taken()

    def folder(self, path: str, mode: int = 0o700, mtime: float = 0) -> Iterator[bytes]:
        yield from self._head(path, tarfile.DIRTYPE, mode=mode, mtime=mtime)
        self._add(Member(written(path), Kind.FOLDER))

    def content(self, path: str, data: bytes) -> Iterator[bytes]:
        yield from self._head(path, tarfile.REGTYPE, size=len(data))
        yield from self._push(data + bytes(-len(data) % 512))
        self._add(Member(written(path), Kind.FILE, len(data), hashlib.sha256(data).hexdigest()))

    def file(self, path: str, source: Path) -> Iterator[bytes]:
        """A file of our own. Raises OSError where it is not there."""
        yield from self._file(path, open_file(str(source), None))

    def tree(self, top: Path, path: str, *, mode: int | None = None) -> Iterator[bytes]:
        """A folder that may change meanwhile, as far as it can be read; nothing where it is not there."""
        if top.is_symlink() or not top.is_dir():
            return
        yield from self.folder(path, mode if mode is not None else top.stat().st_mode & 0o777)
        for found in walk(top, path, self.left_out):
            yield from self._found(found)

    def end(self, manifest: Manifest) -> Iterator[bytes]:
        yield from self.content(MANIFEST, to_json(manifest))
        yield from self._finish()

    def fail(self, error: HomeportError) -> Iterator[bytes]:
        """In the place of the manifest: whoever reads it learns why it is not whole."""
        self.members, self._listed = [], 0
        yield from self.content(FAILURE, to_json(error.to_dict()))
        yield from self._finish()

    def _found(self, found: Found) -> Iterator[bytes]:
        if found.kind is Kind.FOLDER:
            yield from self.folder(found.path, found.mode, found.mtime)
            return
        try:
            if found.kind is Kind.LINK:
                target = os.readlink(found.name, dir_fd=found.parent)
                yield from self._head(found.path, tarfile.SYMTYPE, link=target, mtime=found.mtime)
                digest = hashlib.sha256(os.fsencode(target)).hexdigest()
                self._add(Member(written(found.path), Kind.LINK, 0, digest))
                return
            handle = open_file(found.name, found.parent)
        except OSError as error:
            note_lost(error, self.left_out)
            return
        yield from self._file(found.path, handle)

    def _file(self, path: str, handle: int) -> Iterator[bytes]:
        """As many bytes as it has now, whatever becomes of it: what it loses meanwhile reads as zeros."""
        with os.fdopen(handle, "rb", buffering=0) as file:
            seen = os.fstat(handle)
            size, digest = seen.st_size, hashlib.sha256()
            yield from self._head(
                path, tarfile.REGTYPE, size=size, mode=seen.st_mode & 0o777, mtime=seen.st_mtime,
                owner=(seen.st_uid, seen.st_gid),
            )  # fmt: skip
            left = size
            while left:
                piece = file.read(min(PIECE, left)) or bytes(min(PIECE, left))
                digest.update(piece)
                left -= len(piece)
                yield from self._push(piece)
            yield from self._push(bytes(-size % 512))
        self._add(Member(written(path), Kind.FILE, size, digest.hexdigest()))

    def _head(
        self, path: str, kind: bytes, *, size: int = 0, mode: int = 0o600, mtime: float = 0,
        link: str = "", owner: tuple[int, int] = (0, 0),
    ) -> Iterator[bytes]:  # fmt: skip
        info = tarfile.TarInfo(path)
        info.type, info.size, info.mode, info.mtime, info.linkname = kind, size, mode, int(mtime), link
        info.uid, info.gid = owner
        yield from self._push(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    def _push(self, data: bytes) -> Iterator[bytes]:
        self._out += self._gzip.compress(data)
        if len(self._out) >= PIECE:
            yield self._taken()

    def _finish(self) -> Iterator[bytes]:
        yield from self._push(bytes(1024))
        self._out += self._gzip.flush()
        yield self._taken()

    def _taken(self) -> bytes:
        taken = bytes(self._out)
        self._out.clear()
        return taken

    def _add(self, member: Member) -> None:
        self.members.append(member)
        self._listed += MEMBER_LISTED + len(member.path)
        if len(self.members) > MOST_MEMBERS or self._listed > MOST_LISTED:
            raise HomeportError(
                f"there are too many files: {len(self.members)}, or their names are too long",
                operation="backup", hint="leave volumes out: --volumes",
            )  # fmt: skip
