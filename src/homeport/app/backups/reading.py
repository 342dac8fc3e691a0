# SPDX-License-Identifier: Apache-2.0
"""Reading an archive that anybody may have made: bounded, whole, and as its manifest says, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from homeport.app.backups.contents import (
    FAILURE,
    HEADER,
    MANIFEST,
    Admission,
    Header,
    Kind,
    Manifest,
    Member,
    check_header,
    refused,
    unwritten,
    written,
)
from homeport.errors import HomeportError, NotFound, StorageFull, UsageError, error_from_dict
from homeport.model.codec import from_json

PIECE = 1 << 18
_BLOCK = 1 << 20
"""The most that tarfile may ask for at once: it reads what a hostile header claims into memory."""
_SMALL, _LARGE = 1 << 16, 1 << 28
"""Bytes of the header, and of the manifest."""
_KINDS = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.FOLDER,
    tarfile.SYMTYPE: Kind.LINK,
}
_MOST_OWNER = (1 << 32) - 2
_BROKEN = (
    tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip


class Entry:
    """One member; `pieces` gives its bytes once, in order."""

    __slots__ = ("_file", "_left", "info", "kind", "path")

    def __init__(self, info: tarfile.TarInfo, kind: Kind, file: IO[bytes] | None) -> None:
        self.info, self.kind, self._file = info, kind, file
        self.path = info.name
        self._left = info.size if file is not None else 0

    def pieces(self) -> Iterator[bytes]:
        while self._left:
            assert self._file is not None
            with _in_our_words():
                piece = self._file.read(min(PIECE, self._left))
            if not piece:
                raise _cut_short()
            self._left -= len(piece)
            yield piece

    def whole(self, most: int) -> bytes:
        if self.info.size > most:
            raise refused(self.path, "it is larger than any backup has it")
        return b"".join(self.pieces())

    def member(self, digest: str) -> Member:
        return Member(written(self.path), self.kind, self.info.size if self.kind is Kind.FILE else 0, digest)


class Archive:
    """Opened once, so that what was verified is what is restored even if the name means another file by then."""

    def __init__(self, path: Path) -> None:
        try:
            self._raw = path.open("rb")
        except OSError as error:
            raise NotFound(
                f"cannot read {path}: {error.strerror}", operation="read the backup", subject=str(path)
            ) from None
        if not self._raw.seekable():
            self._raw.close()
            raise UsageError(
                f"{path} is a pipe, and a backup is read twice: before anything is done, and then",
                operation="read the backup", subject=str(path), hint="save it as a file first",
            )  # fmt: skip
        self.bytes = os.fstat(self._raw.fileno()).st_size

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._raw.close()

    def entries(self) -> Iterator[Entry]:
        """All but the manifest, which must be the last and is checked against them by `verify`. From the start."""
        self._raw.seek(0)
        admission, first = Admission(), True
        with _in_our_words(), gzip.GzipFile(fileobj=self._raw) as unpacked:
            bounded: Any = _Bounded(unpacked)
            with tarfile.open(fileobj=bounded, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
                while (info := tar.next()) is not None:
                    tar.members = []  # type: ignore[attr-defined]  # it would keep them all
                    kind = _KINDS.get(info.type)
                    if kind is None or info.sparse is not None or info.size < 0:
                        raise refused(info.name, "it is neither file nor folder")
                    if not (0 <= info.uid <= _MOST_OWNER and 0 <= info.gid <= _MOST_OWNER):
                        raise refused(info.name, "nobody can own it")
                    admission.admit(info.name, kind)
                    if first != (info.name == HEADER):
                        raise refused(info.name, f"a backup begins with {HEADER}")
                    first = False
                    entry = Entry(info, kind, tar.extractfile(info) if kind is Kind.FILE else None)
                    yield entry
                    for _ in entry.pieces():  # what was not asked for
                        pass
                    if info.name == MANIFEST:
                        break
            bounded.must_end()

    def verify(self, most: int = 0) -> Manifest:
        """Read all of it. Raises `HomeportError` unless it is whole and every member is as the manifest says.

        `StorageFull` as soon as its members have more than `most` bytes (0: no matter how many).
        """
        total = 0
        seen: list[Member] = []
        manifest: Manifest | None = None
        for entry in self.entries():
            total += entry.info.size
            if 0 < most < total:
                raise StorageFull(
                    f"the backup holds more than the {most >> 20} MiB that are free", operation="restore",
                    hint="free some space, or restore elsewhere with --into",
                )  # fmt: skip
            if entry.path == MANIFEST:
                manifest = from_json(entry.whole(_LARGE), Manifest)
                _compare(manifest, seen)
            elif entry.path == HEADER:
                raw = entry.whole(_SMALL)
                check_header(from_json(raw, Header))
                seen.append(entry.member(hashlib.sha256(raw).hexdigest()))
            elif entry.path == FAILURE:
                failure: dict[str, Any] = from_json(entry.whole(_SMALL), dict)
                raise error_from_dict(failure)
            else:
                seen.append(entry.member(digest_of(entry)))
        if manifest is None:
            raise _cut_short()
        return manifest


def digest_of(entry: Entry, pieces: Iterator[bytes] | None = None) -> str:
    if entry.kind is Kind.FOLDER:
        return ""
    if entry.kind is Kind.LINK:
        return hashlib.sha256(os.fsencode(entry.info.linkname)).hexdigest()
    digest = hashlib.sha256()
    for piece in pieces or entry.pieces():
        digest.update(piece)
    return digest.hexdigest()


class _Bounded:
    """What tarfile reads from. It goes forward only, and never takes much at once."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _BLOCK:
            raise tarfile.ReadError("a header is too large")
        with _in_our_words():  # whoever takes the pieces is told, too
            return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        with _in_our_words():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def must_end(self) -> None:
        """The end of the compressed stream, whose checksum is compared there. Only padding may come before it."""
        if self._file.read(_BLOCK).strip(b"\0") or self._file.read(1):
            raise tarfile.ReadError("something follows the manifest")


def _compare(manifest: Manifest, seen: list[Member]) -> None:
    for told, found in zip(manifest.members, seen, strict=False):
        if told != found:
            raise refused(unwritten(found.path), "it is not as the manifest says")
    if len(manifest.members) != len(seen):
        raise refused(MANIFEST, f"it lists {len(manifest.members)} members, and there are {len(seen)}")


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise _cut_short() from None
    except _BROKEN as error:
        raise HomeportError(
            f"this is no backup, or it is damaged: {error}",
            operation="read the backup",
            hint="homeport backup verify FILE",
        ) from None


def _cut_short() -> HomeportError:
    return HomeportError(
        "the backup is not whole: its end is missing", operation="read the backup", hint="use another one"
    )
