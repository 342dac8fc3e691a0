# SPDX-License-Identifier: Apache-2.0
"""The file itself: open and mend, append, read, verify. Synchronous; one thread at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from homeport.drivers.audits.file.chain import check_link, from_line, seal, to_line
from homeport.drivers.audits.file.head import Head, HeadFile
from homeport.errors import Conflict, HomeportError, StorageFull, failed_write
from homeport.interfaces.audit import AuditEntry
from homeport.interfaces.secrets import Sealer

LONGEST = 64 * 1024
"""Bytes of one line."""


class Trail:
    def __init__(self, path: Path, sealer: Sealer | None) -> None:
        self._path = path
        self._head_file = HeadFile(path.with_name(path.name + ".head"), sealer)
        self._fd = -1
        self._size = 0
        self._last = Head(0, "")

    def open(self, at_us: int) -> None:
        """Take the file (Raises `Conflict` if another process has it) and mend what a crash left.

        Whatever is mended or found missing is written into the trail as an entry of its own.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._fd = fd
            self._size = os.fstat(fd).st_size
            self._mend(at_us)
        except BlockingIOError:
            os.close(fd)
            self._fd = -1
            raise Conflict("another process writes the audit trail", subject=str(self._path)) from None
        except BaseException:
            os.close(fd)
            self._fd = -1
            raise

    def append(self, drafts: list[AuditEntry]) -> list[AuditEntry]:
        """Number, chain, write and sync them all, or none. Raises `StorageFull`."""
        entries, last = [], self._last
        for draft in drafts:
            entry = seal(replace(draft, seq=last.seq + 1, previous=last.hash, hash=""))
            entries.append(entry)
            last = Head(entry.seq, entry.hash)
        raw = b"".join(map(to_line, entries))
        try:
            written = 0
            while written < len(raw):
                written += os.pwrite(self._fd, raw[written:], self._size + written)
            os.fdatasync(self._fd)
            self._head_file.write(last)
        except OSError as error:
            os.ftruncate(self._fd, self._size)
            raise StorageFull(
                f"the audit trail cannot be written: {error.strerror}",
                operation="append to the audit trail",
                subject=str(self._path),
                hint=f"free space for {self._path.parent}; nothing unaudited was done",
            ) from error
        self._size += len(raw)
        self._last = last
        return entries

    def end(self) -> tuple[int, Head | None]:
        """Where the trail ends now, in bytes and by the head file: what is read up to here never changes."""
        return self._size, self._head_file.read()

    def entries(self, after: int, limit: int) -> list[AuditEntry]:
        found: list[AuditEntry] = []
        for entry in self._parsed(self._offset_after(after), self._size) if limit > 0 else ():
            if entry.seq > after:
                found.append(entry)
            if len(found) == limit:
                break
        return found

    def verify(self, size: int, head: Head | None) -> int:
        """Every line up to `end` against its hash and the one before, then against the head. Needs no turn."""
        seq, previous, at_head = 0, "", ""
        for entry in self._parsed(0, size):
            check_link(entry, seq, previous)
            seq, previous = entry.seq, entry.hash
            if head is not None and seq == head.seq:
                at_head = entry.hash
        if head is None or head.hash != at_head:
            found = (
                "its head file is gone" if head is None else f"entry {head.seq} was written, and is missing or other"
            )
            raise HomeportError(
                f"the end of the audit trail does not fit: {found}",
                operation="verify the audit trail",
                subject=str(head.seq if head else seq),
                hint="compare with a copy kept elsewhere",
            )
        return seq

    def mark(self) -> tuple[int, bytes]:
        """Where the trail ends now, and the head file's bytes."""
        return self._size, self._head_file.raw()

    def copy(self, to: Path, end: tuple[int, bytes]) -> int:
        """The trail up to `mark`, with that head beside it; neither file may exist. Its entries. Needs no turn."""
        size, head = end
        beside, made, entries = to.with_name(to.name + ".head"), list[Path](), 0
        try:
            with self._path.open("rb") as source, _new(to) as trail:
                made.append(to)
                while size and (piece := source.read(min(size, 1 << 20))):
                    trail.write(piece)
                    size -= len(piece)
                    entries += piece.count(b"\n")
            with _new(beside) as file:
                made.append(beside)
                file.write(head)
        except BaseException:
            for path in made:
                path.unlink()
            raise
        return entries

    def adopt(self) -> int:
        """A head with this one's key for a trail whose chain fits from its first line to its last."""
        seq, last = 0, ""
        for entry in self._parsed(0, self._path.stat().st_size):
            check_link(entry, seq, last)
            seq, last = entry.seq, entry.hash
        self._head_file.write(Head(seq, last))
        return seq

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _mend(self, at_us: int) -> None:
        if self._size == 0 and not self._head_file.exists():
            self._head_file.write(self._last)
            return
        notes: list[tuple[str, dict[str, str]]] = []
        torn = self._cut_torn_line()
        if torn:
            notes.append(("audit.mended", {"bytes": str(len(torn)), "sha256": hashlib.sha256(torn).hexdigest()}))
        try:
            head = self._head_file.read()
            why = "" if head else "the head file is gone"
        except HomeportError as error:
            head, why = None, error.message
        try:
            self._last = self._last_entry() or self._last
        except HomeportError as error:
            self._last = head or self._last
            notes.append(("audit.damaged", {"what": f"the last line: {error.message}"}))
        # What may have been cut off stays a gap in the numbers, so that verify() names it whatever comes later.
        known = head.seq if head else self._last.seq + 1
        if known > self._last.seq:
            gap = {"from": str(self._last.seq + 1), "to": str(known) if head else "unknown", "what": why}
            notes.append(("audit.gap", gap))
            self._last = Head(known, self._last.hash)
        if notes:
            self.append([AuditEntry(0, at_us, "", "homeport", what, self._path.name, True, why) for what, why in notes])

    def _cut_torn_line(self) -> bytes:
        """What follows the last line end was never acknowledged: a crash came first."""
        start = self._size
        while start > 0:
            begin = max(0, start - LONGEST)
            newline = os.pread(self._fd, start - begin, begin).rfind(b"\n")
            if newline >= 0:
                start = begin + newline + 1
                break
            start = begin
        torn = os.pread(self._fd, min(self._size - start, LONGEST), start)
        if torn:
            os.ftruncate(self._fd, start)
            os.fdatasync(self._fd)
            self._size = start
        return torn

    def _last_entry(self) -> Head | None:
        if self._size == 0:
            return None
        begin = max(0, self._size - LONGEST - 1)
        line = os.pread(self._fd, self._size - begin, begin)[:-1].rpartition(b"\n")[2] + b"\n"
        entry = from_line(line)
        return Head(entry.seq, entry.hash)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────
    def _parsed(self, offset: int, end: int) -> Iterator[AuditEntry]:
        known = 0
        with self._path.open("rb") as file:
            file.seek(offset)
            while offset < end:
                line = file.readline(LONGEST + 1)
                try:
                    entry = from_line(line)
                except HomeportError as error:
                    raise HomeportError(
                        f"the audit trail was changed at byte {offset}, after entry {known or 'none'}: {error.message}",
                        operation="read the audit trail",
                        subject=str(known + 1) if known else f"byte {offset}",
                        hint="compare with a copy kept elsewhere",
                    ) from error
                known = entry.seq
                offset += len(line)
                yield entry

    def _offset_after(self, seq: int) -> int:
        """A line start at or before the entry that follows `seq`: lines are in order, so halving finds it."""
        low, high = 0, self._size
        with self._path.open("rb") as file:
            while high - low > LONGEST:
                middle = (low + high) // 2
                file.seek(middle)
                file.readline(LONGEST + 1)
                start = file.tell()
                line = file.readline(LONGEST + 1) if start < high else b""
                if not line or from_line(line).seq > seq:
                    high = middle
                else:
                    low = start
        return low


def _new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def full_or_broken(error: OSError, path: Path) -> HomeportError:
    text = f"the audit trail cannot be copied: {error.strerror}"
    return failed_write(error)(text, operation="audit", subject=str(path))
