# SPDX-License-Identifier: Apache-2.0
"""`.dockerignore`: which files of a build context stay at home. As the engine's own client reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

ALWAYS = (".dockerignore",)
"""Sent whatever the patterns say, with the Dockerfile: the engine itself reads them."""
_LONGEST = 1000
_FEW = 2
"""Wildcards that a regular expression may have: with more, a repository could make it take for ever."""


Matches = Callable[[str], bool]


@dataclass(frozen=True)
class Ignored:
    """Patterns in order; the last that matches decides, and `!` takes back."""

    rules: tuple[tuple[Matches, bool], ...] = ()

    def holds(self, path: str) -> bool:
        """Whether `path` (relative, with `/`) is left out: by itself or by a folder above it."""
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        left_out = False
        for matches, negated in self.rules:
            if left_out == negated and any(matches(name) for name in above):
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
            rules.append((_matcher(_tokens(pattern)), negated))
    return Ignored(tuple(rules))


def _clean(pattern: str) -> str:
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", ".."):
            parts.append(part)
    return "/".join(parts)


FOLDERS, ALL, SOME = "(?:.*/)?", ".*", "[^/]*"


def _tokens(pattern: str) -> list[str]:
    """Each a regular expression: of one character, or one of the three wildcards.

    `*` and `?` stay within a name, `**` goes over any number of folders, `[…]` as in a shell.
    """
    found: list[str] = []
    place = 0
    while place < len(pattern):
        char = pattern[place]
        if pattern.startswith("**", place):
            place += len(pattern[place:]) - len(pattern[place:].lstrip("*"))
            folders = pattern.startswith("/", place)
            place += folders
            _wild(found, FOLDERS if folders else ALL)
            continue
        place += 1
        if char == "*":
            _wild(found, SOME)
        elif char == "?":
            found.append("[^/]")
        elif char == "\\" and place < len(pattern):
            found.append(re.escape(pattern[place]))
            place += 1
        elif char == "[" and (end := pattern.find("]", place + 1)) > 0:
            found.append(_class(pattern[place:end]))
            place = end + 1
        else:
            found.append(re.escape(char))
    return found


def _wild(tokens: list[str], token: str) -> None:
    """Neighbours that say the same are one."""
    if tokens[-1:] != [token]:
        tokens.append(token)


def _class(inner: str) -> str:
    negated = inner.startswith("^")
    body = inner[negated:].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    if any(first > last for first, last in re.findall(r"(.)-(.)", body)) or not body:
        return "(?!)"
    return f"[{'^' if negated else ''}{body}]"


def _matcher(tokens: list[str]) -> Matches:
    if sum(token in (FOLDERS, ALL, SOME) for token in tokens) <= _FEW:
        pattern = re.compile("".join(tokens), re.DOTALL)
        return lambda path: pattern.fullmatch(path) is not None
    steps = [step for token in tokens for step in ((_ENTER, FOLDERS) if token == FOLDERS else (token,))]
    single = [None if step in (_ENTER, FOLDERS, ALL, SOME) else re.compile(step, re.DOTALL) for step in steps]
    return lambda path: _step_by_step(steps, single, path)


_ENTER = ""
"""Before `FOLDERS`: to go in, or past it."""


def _step_by_step(steps: list[str], single: list[re.Pattern[str] | None], path: str) -> bool:
    """All places in the pattern where one can be after each character: the work is at most pattern times path."""
    places = _reached(steps, {0})
    for char in path:
        after: set[int] = set()
        for place in places - {len(steps)}:
            step, pattern = steps[place], single[place]
            if pattern is not None:
                if pattern.fullmatch(char):
                    after.add(place + 1)
            elif step != _ENTER and (step != SOME or char != "/"):
                after.add(place)
            if step == FOLDERS and char == "/":
                after.add(place + 1)
        places = _reached(steps, after)
    return len(steps) in places


def _reached(steps: list[str], places: set[int]) -> set[int]:
    """Also what lies behind wildcards that stand for nothing."""
    found, waiting = set(places), list(places)
    while waiting:
        place = waiting.pop()
        if place == len(steps):
            continue
        step = steps[place]
        further = {place + 1, place + 2} if step == _ENTER else {place + 1} if step in (ALL, SOME) else set()
        waiting += further - found
        found |= further
    return found
