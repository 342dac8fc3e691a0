# SPDX-License-Identifier: Apache-2.0
"""Log files: lines from pipes, stamped, bounded, rotated."""

from __future__ import annotations

import os
import time
from pathlib import Path

from homeport.model.logformat import CURRENT, KEPT, MAX_LINE, stamp

CUT = b" [cut: longer than %d bytes]" % MAX_LINE
_SMALLEST, _UNLIMITED = 4096, 1 << 62


class Splitter:
    """Bytes to whole lines. A line over `MAX_LINE` bytes is cut, marked, and its rest left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._skipping:
            del lines[0]
            self._skipping = False
        lines = [line if len(line) <= MAX_LINE else line[:MAX_LINE] + CUT for line in lines]
        if self._skipping:
            rest = b""
        elif len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE] + CUT)
            rest, self._skipping = b"", True
        self._rest = rest
        return lines

    def end(self) -> list[bytes]:
        rest, self._rest, self._skipping = self._rest, b"", False
        return [rest] if rest else []


class LogFile:
    """`current.log` and up to `KEPT` older ones, each at most `limit` bytes (0: no limit).

    `lost` counts what a full disk swallowed.
    """

    def __init__(self, folder: Path, limit: int, current: str = CURRENT) -> None:
        self.folder, self.current = folder, current
        self.limit = max(limit, _SMALLEST) if limit else _UNLIMITED
        self._stem = "" if current == CURRENT else current.removesuffix(".log") + "."
        self._fd = -1
        self._size = 0
        self.lost = 0

    def write(self, data: bytes) -> None:
        try:
            if self._fd < 0:
                self._open()
            if self._size and self._size + len(data) > self.limit:
                self._rotate()
            while data:
                written = os.write(self._fd, data)
                self._size += written
                data = data[written:]
        except OSError:
            # A full disk must not stop agents. What is missing is counted, and said once there is room again.
            self.lost += len(data)
            self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.folder / self.current, flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        names = [self.current, *(f"{self._stem}{number}.log" for number in range(1, KEPT + 1))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            try:
                (self.folder / newer).replace(self.folder / older)
            except FileNotFoundError:
                continue
        self._open()


class AgentLog:
    """One agent's log, shared by its instances."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._file = LogFile(folder, limit)

    def write(self, stream: str, instance: str, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._file.lost:
            lines = [b"[%d bytes of log were lost: the disk was full]" % self._file.lost, *lines]
            self._file.lost = 0
        prefix = f"{stamp(time.time_ns() // 1000)} {stream} {instance} ".encode()
        self._file.write(b"".join(prefix + _clean(line) + b"\n" for line in lines))

    def say(self, instance: str, text: str) -> None:
        """What Homeport itself says about an instance."""
        self.write("sys", instance, text.encode("utf-8", "replace").splitlines()[:20])

    def close(self) -> None:
        self._file.close()


def _clean(line: bytes) -> bytes:
    line = line.removesuffix(b"\r")
    try:
        line.decode()
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace").encode()
    return line
