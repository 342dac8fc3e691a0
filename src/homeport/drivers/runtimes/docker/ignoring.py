# SPDX-License-Identifier: Apache-2.0
"""`.dockerignore`: which files of a build context stay at home. As the engine's own client reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

ALWAYS = (".dockerignore",)
"""Sent whatever the patterns say, with the Dockerfile: the engine itself reads them."""
_LONGEST = 1000


@dataclass(frozen=True)
class Ignored:
    """Patterns in order; the last that matches decides, and `!` takes back."""

    rules: tuple[tuple[re.Pattern[str], bool], ...] = ()

    def holds(self, path: str) -> bool:
        """Whether `path` (relative, with `/`) is left out: by itself or by a folder above it."""
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        left_out = False
        for pattern, negated in self.rules:
            if left_out == negated and any(pattern.fullmatch(name) for name in above):
                left_out = not negated
        return left_out

    @property
    def takes_back(self) -> bool:
        """Whether something below a folder that is left out may be taken back."""
        return any(negated for _, negated in self.rules)


def parse(text: str) -> Ignored:
    """Lines that make no sense as a pattern match nothing."""
    rules = []
    for raw in text.removeprefix("\ufeff").splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        pattern = _clean(line[1:].strip() if negated else line)
        if pattern and len(pattern) <= _LONGEST:
            rules.append((re.compile(_translate(pattern), re.DOTALL), negated))
    return Ignored(tuple(rules))


def _clean(pattern: str) -> str:
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


def _translate(pattern: str) -> str:
    """`*` and `?` stay within a name, `**` goes over any number of folders, `[…]` as in a shell."""
    found, place = "", 0
    while place < len(pattern):
        char = pattern[place]
        if pattern.startswith("**", place):
            place += 2
            while place < len(pattern) and pattern[place] == "*":
                place += 1
            if place < len(pattern) and pattern[place] == "/":
                place += 1
                found += "(?:.*/)?"
            else:
                found += ".*"
            continue
        place += 1
        if char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "\\" and place < len(pattern):
            found += re.escape(pattern[place])
            place += 1
        elif char == "[" and (end := pattern.find("]", place + 1)) > 0:
            found += _class(pattern[place:end])
            place = end + 1
        else:
            found += re.escape(char)
    return _collapse(found)


def _collapse(expression: str) -> str:
    """Neighbours that say the same, as one: a row of them would be tried in every combination."""
    for part in ("(?:.*/)?", ".*", "[^/]*"):
        while part * 2 in expression:
            expression = expression.replace(part * 2, part)
    return expression


def _class(inner: str) -> str:
    negated = inner.startswith("^")
    body = inner[negated:].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    for first, last in re.findall(r"(.)-(.)", body):
        if first > last:
            return "(?!)"
    return f"[{'^' if negated else ''}{body}]" if body else "(?!)"
