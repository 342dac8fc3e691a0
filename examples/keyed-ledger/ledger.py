# SPDX-License-Identifier: Apache-2.0
"""Entries in a file that only grows, one JSON line each, synced before anybody is told."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

Entry = dict[str, object]


class OtherRequest(Exception):
    """The key is known, with another amount."""


class Ledger:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self.balance = 0
        self._file = path.open("a+b")
        self._read()

    def __len__(self) -> int:
        return len(self._entries)

    def book(self, key: str, amount: int) -> tuple[Entry, bool]:
        """The entry of this key, and whether it is new. On disk when it returns.

        Raises `OtherRequest` where the key stands for another amount.
        """
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                if known["amount"] != amount:
                    raise OtherRequest(key)
                return known, False
            entry: Entry = {"key": key, "amount": amount, "balance": self.balance + amount}
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._remember(entry, amount)
            return entry, True

    def _read(self) -> None:
        """What was booked before. A last line without its end was never answered for: it is cut off."""
        self._file.seek(0)
        data = self._file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._file.truncate(len(whole))
            os.fsync(self._file.fileno())
        for line in whole.splitlines():
            entry = json.loads(line)
            self._remember(entry, entry["amount"])

    def _remember(self, entry: Entry, amount: int) -> None:
        self._entries[str(entry["key"])] = entry
        self.balance += amount
