# SPDX-License-Identifier: Apache-2.0
"""Damage that SQLite takes for an end: an emptied file, and commits of the log behind a place that cannot be read.

It would go on without what is missing. Format of the log: sqlite.org/fileformat2.html#walformat.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import apsw

from homeport.errors import HomeportError

_LOG_HEADER, _FRAME_HEADER = 32, 24
_LOG_MAGIC = (0x377F0682, 0x377F0683)


def check_files(path: Path) -> None:
    """Before it is opened. Raises `HomeportError` where a journal was and its file is empty or gone."""
    log = _beside(path, "-wal")
    logged = log.exists() and log.stat().st_size > _LOG_HEADER
    if logged and (not path.exists() or not path.stat().st_size):
        gone = "is empty" if path.exists() else "is gone"
        raise _damaged(
            path, f"it {gone}, and its log {log.name} is still there",
            f"put the file back, or restore a backup; to begin with an empty journal move {log.name} aside too",
        )  # fmt: skip
    lock = _beside(path, ".lock")
    if path.exists() and not path.stat().st_size and lock.exists() and lock.stat().st_size:
        raise _damaged(path, "it is empty, and was not when it was used last", "restore a backup, or remove the file")


def check_log(path: Path) -> None:
    """While nobody has it open. Raises `HomeportError` where the log goes on after a place that cannot be read.

    One commit behind such a place may be half-written when the power went: nobody was told of it. A second one was
    begun only when the first was synced: then something in between is damaged.
    """
    log = _beside(path, "-wal")
    if not log.exists() or log.stat().st_size <= _LOG_HEADER:
        return
    page, read = _look(path)
    behind = _commits_behind(log, page, read)
    if behind > 1:
        end = _LOG_HEADER + read * (_FRAME_HEADER + page)
        raise _damaged(
            path, f"its log {log.name} cannot be read from byte {end} on, and {behind} commits follow",
            f"restore a backup; or, to go on without them: truncate -s {end} {log}",
        )  # fmt: skip


def _look(path: Path) -> tuple[int, int]:
    """Bytes of a page, and how many frames of the log SQLite can read up to a commit: by the index it makes of them.

    On a connection of its own, closed before the file is used: to close a file that SQLite has open too would take
    away its locks.
    """
    connection = apsw.Connection(str(path))
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # what cannot be read stays for a person to look at
        connection.pragma("user_version")
        page = int(connection.pragma("page_size"))
        index = _beside(path, "-shm").read_bytes()[:20]
    finally:
        connection.close(True)
    return page, struct.unpack_from("=I", index, 16)[0] if len(index) == 20 else 0


def _commits_behind(log: Path, page: int, read: int) -> int:
    with log.open("rb") as file:
        header = file.read(_LOG_HEADER)
        if len(header) < _LOG_HEADER:
            return 0
        salt, frame, behind = header[16:24], 0, 0
        if not _sound(header):
            salt = file.read(_FRAME_HEADER)[8:16]  # of the first frame: all are lost with the header
            file.seek(_LOG_HEADER)
            behind = 1
        while len(head := file.read(_FRAME_HEADER)) == _FRAME_HEADER:
            frame += 1
            if frame > read:
                behind += head[8:16] == salt and head[4:8] != b"\0\0\0\0"
            file.seek(page, os.SEEK_CUR)
    return behind


def _sound(header: bytes) -> bool:
    """Whether the log's header has the checksum that it says."""
    order = "<" if header[3:4] == b"\x82" else ">"
    words = struct.unpack_from(f"{order}6I", header)
    one = two = 0
    for at in range(0, 6, 2):
        one = (one + words[at] + two) & 0xFFFFFFFF
        two = (two + words[at + 1] + one) & 0xFFFFFFFF
    return struct.unpack_from(">I", header)[0] in _LOG_MAGIC and struct.unpack_from(">2I", header, 24) == (one, two)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _damaged(path: Path, what: str, hint: str) -> HomeportError:
    return HomeportError(
        f"the journal {path} is damaged: {what}", operation="open the journal", subject=str(path), hint=hint
    )
