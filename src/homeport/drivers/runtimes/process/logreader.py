# SPDX-License-Identifier: Apache-2.0
"""Reading an agent's log while the keeper writes and rotates it."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from homeport.model.instance import LogLine
from homeport.model.logformat import CURRENT, older_first, parse

POLL = 0.1
_BATCH = 1000


async def read_logs(folder: Path, *, tail: int, since_us: int, follow: bool) -> AsyncIterator[LogLine]:
    """Lines in order, over rotations; with `follow` for ever, also when nothing has been written yet."""
    log = _Log(folder)
    try:
        lines = await asyncio.to_thread(lambda: list(_selected(log, tail, since_us)))
        for line in lines:
            yield line
        while follow:
            more = await asyncio.to_thread(log.more)
            for line in more:
                if line.at_us >= since_us:
                    yield line
            if not more:
                await asyncio.sleep(POLL)
    finally:
        log.close()


def _selected(log: _Log, tail: int, since_us: int) -> Iterator[LogLine]:
    kept: deque[LogLine] = deque(maxlen=tail or None)
    while lines := log.more():
        kept.extend(line for line in lines if line.at_us >= since_us)
    return iter(kept)


class _Log:
    """A place in the log: the open file, which keeps its identity when it is renamed by a rotation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: BinaryIO | None = None
        self._rest = b""

    def more(self) -> list[LogLine]:
        """The next lines, [] at the end of what there is."""
        if self._file is None and not self._open_after(None):
            return []
        while True:
            found = self._read()
            if found or not self._next():
                return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> list[LogLine]:
        assert self._file is not None
        found: list[LogLine] = []
        while len(found) < _BATCH:
            line = self._file.readline()
            if not line.endswith(b"\n"):
                self._rest += line
                break
            parsed = parse((self._rest + line).removesuffix(b"\n"))
            self._rest = b""
            if parsed is not None:
                found.append(LogLine(*parsed))
        return found

    def _next(self) -> bool:
        """Move on to the file written after this one; False while this is the current one."""
        assert self._file is not None
        here = os.fstat(self._file.fileno()).st_ino
        try:
            if (self.folder / CURRENT).stat().st_ino == here:
                return False
        except FileNotFoundError:
            return False  # between the two renames of a rotation, or removed
        return self._open_after(here)

    def _open_after(self, inode: int | None) -> bool:
        files: list[BinaryIO] = []
        for name in older_first():
            try:
                files.append((self.folder / name).open("rb"))
            except FileNotFoundError:
                continue
        nodes = [os.fstat(file.fileno()).st_ino for file in files]
        # Not found: it was rotated out of what is kept, so the oldest there is comes next.
        place = nodes.index(inode) + 1 if inode in nodes else 0
        chosen = files[place] if place < len(files) else None
        for file in files:
            if file is not chosen:
                file.close()
        if chosen is None:
            return False
        self.close()
        self._file, self._rest = chosen, b""
        return True
