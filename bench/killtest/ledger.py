# SPDX-License-Identifier: Apache-2.0
"""Append-only files of one JSON object a line. Standard library only: the agents start with it many times a minute."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Ledger:
    """One writer at a time. With `sync` a line is on disk when `write` returns."""

    def __init__(self, path: str, *, sync: bool) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sync = sync
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")  # a life before this one was killed within a line

    def write(self, **line: Any) -> None:
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        if os.write(self._fd, data) != len(data):
            raise OSError("the ledger took only a part of a line")
        if self._sync:
            os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


def read(path: str | Path) -> Iterator[dict[str, Any]]:
    """Whole lines. Half a line is what a killed writer did not finish, and thus did not tell anybody."""
    with Path(path).open("rb") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                continue
