# SPDX-License-Identifier: Apache-2.0
"""Text that fits the terminal: paragraphs and tables of a given width, their long cells on several lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from homeport.cli.output import clean, width_of

NARROWEST, WIDEST, ELSEWHERE = 60, 200, 120
_GAP = 2
_LEAST = 8
"""Columns that a cell keeps, however narrow the terminal."""


def terminal_width() -> int:
    """COLUMNS, else what the terminal has; where there is none (a file, a pipe) 120."""
    said = os.environ.get("COLUMNS", "")
    found = int(said) if said.isdecimal() and len(said) < 6 else 0
    for descriptor in (1, 2):
        try:
            found = found or os.get_terminal_size(descriptor).columns
        except OSError:
            continue
    return max(NARROWEST, min(WIDEST, found or ELSEWHERE))


def paragraph(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """`text` in lines of at most `width` columns; the first begins with `first`, the others with `rest`."""
    rest = " " * width_of(first) if rest is None else rest
    lines = wrapped(clean(text), max(_LEAST, width - max(width_of(first), width_of(rest))))
    return [(rest if number else first) + line for number, line in enumerate(lines)]


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken at spaces, and inside a word only where it is longer than a line."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and width_of(line) + 1 + width_of(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while width_of(line) > width:
            head = _fitting(line, width)
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line] if line or not lines else lines


def _fitting(text: str, width: int) -> str:
    """As much of its beginning as fits, and at least one character; a path breaks behind a slash where it can."""
    count, columns = 0, 0
    for character in text:
        columns += width_of(character)
        if columns > width:
            break
        count += 1
    head = text[: max(1, count)]
    slash = head.rfind("/") + 1
    return head[:slash] if slash > len(head) // 2 else head


def reasoned(
    head: Sequence[str], rows: Sequence[Sequence[object]], width: int, *, indent: str, right: str, firm: int = 0
) -> list[str]:
    """A table whose last column is a sentence: on a narrow terminal it stands below its row instead."""
    if width >= ELSEWHERE:
        return [line for lines in fitted(head, rows, width, indent=indent, right=right, firm=firm) for line in lines]
    blocks = fitted(head[:-1], [row[:-1] for row in rows], width, indent=indent, right=right, firm=firm)
    told: list[str] = [*blocks[0]]
    for block, row in zip(blocks[1:], rows, strict=True):
        told += [*block, *(paragraph(str(row[-1]), width, first=f"{indent}     ") if row[-1] else [])]
    return told


def fitted(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    width: int,
    *,
    indent: str = "",
    right: str = "",
    firm: int = 0,
) -> list[list[str]]:
    """The lines of each row, aligned, of at most `width` columns: the widest columns give way first, and wrap.

    The first are those of `head`, which may be empty: then there are none. `right`: a letter for each column, "r"
    aligns it to the right. The first `firm` columns give way last.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    whole = [list(head), *cells] if head else cells
    if not whole:
        return []
    widths = _shared([max(width_of(row[i]) for row in whole) for i in range(len(whole[0]))], width - len(indent), firm)
    found = []
    for row in whole:
        columns = [wrapped(cell, room) for cell, room in zip(row, widths, strict=True)]
        lines = []
        for number in range(max(map(len, columns))):
            parts = [column[number] if number < len(column) else "" for column in columns]
            placed = [_placed(part, widths[i], right[i : i + 1]) for i, part in enumerate(parts)]
            lines.append((indent + (" " * _GAP).join(placed)).rstrip())
        found.append(lines)
    return found


def _shared(widths: list[int], room: int, firm: int) -> list[int]:
    """What each column gets of `room`: what it wants, or the widest are cut, those that are not firm down to 2 x LEAST
    before any other."""
    given = list(widths)
    while sum(given) + _GAP * (len(given) - 1) > room:
        yielding = [i for i in range(firm, len(given)) if given[i] > 2 * _LEAST]
        yielding = yielding or [i for i, one in enumerate(given) if one > _LEAST]
        if not yielding:
            break
        given[max(yielding, key=lambda i: given[i])] -= 1
    return given


def _placed(text: str, room: int, side: str) -> str:
    space = " " * (room - width_of(text))
    return space + text if side == "r" else text + space
