# SPDX-License-Identifier: Apache-2.0
"""A Dockerfile's instructions, and those that make its last stage, its base stages included."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

_INSTRUCTION = re.compile(r"\s{0,200}([A-Za-z]{2,12})\s+(.*)")
_HEREDOC = re.compile(r"<<-?[\"']?([A-Za-z_]\w{0,40})[\"']?")
_MOST = 500
_LONGEST = 8_000


@dataclass(frozen=True, slots=True)
class Instruction:
    """`line` is where it begins, counted from 1; continued lines are joined in `rest`."""

    word: str
    rest: str
    line: int


def image_of(one: Instruction) -> str:
    """The image or stage that a FROM names; "" for none."""
    return next((word for word in one.rest.split() if not word.startswith("--")), "")


def last_stage(lines: Sequence[str]) -> list[Instruction]:
    """What the image without a `--target` is made of, in order; FROM of the deepest base first."""
    stages: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    arguments: dict[str, str] = {}
    for one in instructions(lines):
        if one.word == "ARG":
            _declare(arguments, one.rest)
        if one.word != "FROM":
            current.append(one)
            continue
        rest = _filled(one.rest, arguments)
        words = [word for word in rest.split() if not word.startswith("--")]
        base = _stage(stages, words[0].lower()) if words else None
        current = list(base) if base is not None else [replace(one, rest=rest)]
        if len(words) >= 3 and words[1].lower() == "as":
            stages[words[2].lower()] = current
    return current[:_MOST]


def stages(lines: Sequence[str]) -> list[Instruction]:
    """All FROM, with what arguments before them stand for where they have no other value."""
    arguments: dict[str, str] = {}
    found: list[Instruction] = []
    for one in instructions(lines):
        if one.word == "ARG":
            _declare(arguments, one.rest)
        elif one.word == "FROM":
            found.append(replace(one, rest=_filled(one.rest, arguments)))
    return found


def _declare(arguments: dict[str, str], rest: str) -> None:
    name, _, value = rest.partition("=")
    arguments.setdefault(name.strip(), value.strip().strip("\"'"))


def _filled(rest: str, arguments: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: arguments.get(m[1]) or m[2] or "", rest)


def _stage(stages: dict[str, list[Instruction]], name: str) -> list[Instruction] | None:
    """A name that ends where a variable of the platform stood is of any stage that begins so, x86 before others."""
    alike = [known for known in stages if name.endswith(("-", "_")) and known.startswith(name)]
    return stages.get(name) or next(
        (stages[known] for known in sorted(alike, key=lambda known: "amd64" not in known)), None
    )


def instructions(lines: Sequence[str]) -> list[Instruction]:
    """Comments and here-documents are passed over; `\\` at the end of a line continues it."""
    found: list[Instruction] = []
    parts: list[str] = []
    start, until = 0, list[str]()
    for number, line in enumerate(lines, 1):
        if until:
            if line.strip() == until[0]:
                del until[0]
            continue
        if line.lstrip().startswith("#") or (parts and not line.strip()):
            continue
        start = start if parts else number
        text = line.rstrip()
        parts.append(text.removesuffix("\\"))
        if text.endswith("\\") and sum(map(len, parts)) < _LONGEST:
            continue
        match = _INSTRUCTION.fullmatch(" ".join(part.strip() for part in parts)[:_LONGEST])
        parts = []
        if match:
            found.append(Instruction(match[1].upper(), match[2].strip(), start))
            if match[1].upper() in ("RUN", "COPY", "ADD"):
                until = _HEREDOC.findall(match[2])[:20]
        if len(found) >= _MOST:
            break
    return found
