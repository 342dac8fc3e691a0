# SPDX-License-Identifier: Apache-2.0
"""The admin token that the very first start makes: shown once to whoever started it, and kept in its file.

The server writes the file and says nothing. Whoever has its terminal looks before the start, and again after it.
"""

from __future__ import annotations

from pathlib import Path


class FirstToken:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._before = self._read()

    def news(self) -> str:
        """Two lines for a terminal if there is a new token since it was last asked; else ""."""
        now, before = self._read(), self._before
        self._before = now
        if not now or now == before:
            return ""
        return f"admin token, shown this once: {now}\nit is kept in {self._file} (only you can read it)"

    def _read(self) -> str:
        try:
            return self._file.read_text().strip()
        except OSError:
            return ""
