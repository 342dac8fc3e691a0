# SPDX-License-Identifier: Apache-2.0
"""Printing: data on stdout, progress on stderr, foreign text only with its control characters escaped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from homeport.errors import HomeportError


def clean(text: object, *, lines: bool = False) -> str:
    """Text that cannot move the cursor, ring, recolour or reorder: unprintable characters as escapes.

    `lines` keeps line breaks and tabs.
    """
    kept = "\n\t" if lines else ""
    if (whole := str(text)).isprintable():
        return whole
    return "".join(c if c.isprintable() or c in kept else _escape(c) for c in whole)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def say(text: str = "") -> None:
    """One line of progress."""
    print(clean(text, lines=True), file=sys.stderr, flush=True)


def put(text: str = "") -> None:
    """One line of data."""
    print(clean(text, lines=True))


def put_json(value: Any) -> None:
    """One JSON document; records as they are."""
    import json

    print(json.dumps(_plain(value), indent=2))


def put_line(value: Any) -> None:
    """One line of NDJSON, at once."""
    import json

    print(json.dumps(_plain(value), separators=(",", ":")), flush=True)


def _plain(value: Any) -> Any:
    from homeport.model.codec import to_builtins

    return to_builtins(value)


def fail(error: HomeportError, as_json: bool) -> int:
    """Cause, blank line, hint; the exit code."""
    if as_json:
        put_json({"error": error.to_dict()})
    else:
        print(f"{mark('error:', 31, sys.stderr)} {clean(error.message, lines=True)}", file=sys.stderr)
        if error.hint:
            print(f"\nhint: {clean(error.hint, lines=True)}", file=sys.stderr)
    return error.exit_code


def mark(text: str, colour: int, stream: Any = None) -> str:
    """ANSI colour on a terminal, unless NO_COLOR is set."""
    stream = stream or sys.stdout
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()
    return f"\x1b[{colour}m{text}\x1b[0m" if wanted else text


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Aligned lines. A cell is one line; wide characters count as two columns."""
    cells = [list(head), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(width_of(row[i]) for row in cells) for i in range(len(head))]
    return ["  ".join(c + " " * (w - width_of(c)) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def width_of(text: str) -> int:
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
