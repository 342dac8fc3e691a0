# SPDX-License-Identifier: Apache-2.0
"""Why a child ended, from the last it printed: for whoever reads the keeper's output and not the child's log."""

from __future__ import annotations

MOST = 4096
"""Bytes of its output that are looked at."""
_LONGEST = 400


class LastWords:
    """The end of an output."""

    def __init__(self) -> None:
        self._end = b""

    def add(self, data: bytes) -> None:
        self._end = (self._end + data)[-MOST:]

    @property
    def cause(self) -> str:
        """One line: the error of ours that it ended with, else its last line; "" where it said nothing."""
        lines = self._before_hint()
        return _shown(lines[-1].removeprefix("error: ")) if lines else ""

    @property
    def hint(self) -> str:
        _, separator, hint = self._text().rpartition("\nhint: ")
        return _shown(hint.partition("\n")[0]) if separator else ""

    def _before_hint(self) -> list[str]:
        text = self._text()
        before, separator, _ = text.rpartition("\nhint: ")
        return [line.strip() for line in (before if separator else text).splitlines() if line.strip()]

    def _text(self) -> str:
        return "\n" + self._end.decode("utf-8", "replace")


def _shown(line: str) -> str:
    """Without what would move a terminal's cursor, and not longer than a few lines."""
    line = "".join(c if c.isprintable() else " " for c in line).strip()
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
