# SPDX-License-Identifier: Apache-2.0
"""What rules read from: text of a bounded number of files, read in one go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from homeport.analyze.paths import Paths, in_the_way
from homeport.analyze.prose import Sentence, sentences
from homeport.interfaces.fetcher import FileView
from homeport.model.paths import printable

FILE_BYTES = 262_144
_FILES = 400
_TOTAL_BYTES = 8_000_000
_LINE = 1000
_LINES = 20_000
_PROSE_LINES = 3_000

__all__ = ["FILE_BYTES", "Repo", "in_the_way", "shown"]


class Repo:
    """A view, with the text of those files that rules asked for. Everything in it is hostile."""

    def __init__(self, view: FileView) -> None:
        self._view = view
        self.source = view.source
        self.sizes = {entry.path: entry.size for entry in view.entries()}
        self.paths = Paths(self.sizes)
        self._texts: dict[str, str] = {}
        self._lines: dict[str, list[str]] = {}
        self._sentences: dict[str, list[Sentence]] = {}

    def __contains__(self, path: object) -> bool:
        return path in self.sizes

    def load(self, paths: Iterable[str]) -> None:
        """Read the files that are asked for, each once, as far as the bounds allow, earlier ones first."""
        chosen: list[str] = []
        total = 0
        for path in dict.fromkeys(paths):
            size = min(self.sizes.get(path, -1), FILE_BYTES)
            if size < 0 or path in self._texts or len(chosen) >= _FILES or total + size > _TOTAL_BYTES:
                continue
            total += size
            chosen.append(path)
        for path, data in self._view.read_many(chosen, FILE_BYTES).items():
            self._texts[path] = data.decode("utf-8-sig", "replace").replace("\0", "\ufffd")

    def text(self, path: str) -> str:
        """The first 256 KiB, decoded; "" for a file that is not there or was not loaded."""
        return self._texts.get(path, "")

    def is_whole(self, path: str) -> bool:
        """Whether `text` is all of it."""
        return path in self._texts and self.sizes[path] <= FILE_BYTES

    def lines(self, path: str) -> list[str]:
        """Its lines, each cut after 1,000 characters: what patterns are tried on."""
        if path not in self._lines:
            self._lines[path] = [line[:_LINE] for line in self.text(path).split("\n")[:_LINES]]
        return self._lines[path]

    def sentences(self, path: str) -> list[Sentence]:
        """A document's sentences, of its first 3,000 lines."""
        if path not in self._sentences:
            self._sentences[path] = sentences(self.lines(path)[:_PROSE_LINES])
        return self._sentences[path]

    def line(self, path: str, number: int) -> str:
        """One line, counted from 1; "" where there is none."""
        lines = self.lines(path)
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def find(self, path: str, needle: str) -> int:
        """The number of the first line that holds `needle`, or 0."""
        return next((number for number, line in enumerate(self.lines(path), 1) if needle in line), 0)

    def hits(self, path: str, pattern: re.Pattern[str], most: int) -> Iterator[tuple[re.Match[str], int]]:
        """The first `most` places where a pattern stands in a file, with the number of the line of its first word."""
        text = self.text(path)
        at, line = 0, 1
        for found in islice(pattern.finditer(text), most):
            begin = found.end() - len(found[0].lstrip())
            line, at = line + text.count("\n", at, begin), max(at, begin)
            yield found, line


def shown(path: str) -> str:
    return printable(path, 120)
