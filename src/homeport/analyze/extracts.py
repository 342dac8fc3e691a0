# SPDX-License-Identifier: Apache-2.0
"""What a model gets to see of a source: few, short quotes, each saying where it is from, without secrets.

All of it is hostile text. What can hide in text (control characters, marks of direction, characters without width) is
taken out, since a person who reads the same file would not see it either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields

from homeport.interfaces.fetcher import FileView
from homeport.model.evidence import Inferred
from homeport.model.paths import printable
from homeport.model.redaction import redact
from homeport.model.requirements import Requirements

TOTAL_BYTES = 12_000
"""Of all quotes together, in UTF-8."""
_README_BYTES = 4_000
_LINES_BYTES = 3_000
_EVIDENCE_BYTES = 2_000
_HEAD_BYTES = 900
_READ = 65_536
_LINE = 300
_READMES = ("readme.md", "readme.rst", "readme.txt", "readme")
_HEADS = (
    "requirements.txt", "pyproject.toml", "environment.yml", "environment.yaml", "Dockerfile", "package.json",
    "setup.py", "cog.yaml",
)  # fmt: skip
_TELLING = re.compile(
    r"\b(?:[vg]?ram|gpus?|cuda|memory|cpus?|cores?|processors?|disk|storage|gi?b|tb|ubuntu|debian|linux|python|hours?"
    r"|days?|hardware|require[sd]?|requirements?|nvidia|a100|h100)\b",
    re.IGNORECASE,
)


def extracts_of(view: FileView, requirements: Requirements) -> tuple[str, ...]:
    """At most `TOTAL_BYTES`: the beginning of the README, its telling lines, evidence, heads of manifests.

    Reads from the view, so it is taken before that is closed. Raises what `FileView.read` raises.
    """
    paths = {entry.path for entry in view.entries() if entry.size >= 0}
    readmes = {path.lower(): path for path in sorted(paths) if "/" not in path and path.lower() in _READMES}
    readme = next((readmes[name] for name in _READMES if name in readmes), "")
    heads = [path for path in _HEADS if path in paths]
    texts = {path: _clean(data) for path, data in view.read_many([*filter(None, [readme]), *heads], _READ).items()}
    pieces = list(_readme(readme, texts.get(readme, "")))
    pieces.append(_piece("evidence that was found", "\n".join(_evidence(requirements)), _EVIDENCE_BYTES))
    pieces += [_piece(f"the beginning of {path}", texts.get(path, ""), _HEAD_BYTES) for path in heads]
    return _capped([piece for piece in pieces if piece])


def _readme(path: str, text: str) -> Iterator[str]:
    """Its beginning, and from the rest what may be of use."""
    name = printable(path, 100)
    begin = _cut(text, _README_BYTES)
    yield _piece(f"the beginning of {name}", begin, _README_BYTES)
    rest = [line for line in text[len(begin) :].splitlines() if _TELLING.search(line)]
    yield _piece(f"further lines of {name}", "\n".join(rest), _LINES_BYTES)


def _evidence(requirements: Requirements) -> Iterator[str]:
    for field in fields(requirements):
        found = getattr(requirements, field.name)
        if isinstance(found, Inferred):
            for one in found.evidence[:2]:
                if one.file and one.quote:
                    yield f"{field.name}: {printable(one.file, 100)}:{one.line}: {one.quote}"


def _clean(data: bytes) -> str:
    """Without secrets, which are looked for before anything is cut: half of one would not be found."""
    text = data.decode("utf-8-sig", "replace")
    if len(data) >= _READ:
        text = text.rpartition("\n")[0]
    lines = redact(text).split("\n")
    return "\n".join("".join(char for char in line[:_LINE] if char == "\t" or char.isprintable()) for line in lines)


def _piece(origin: str, text: str, most: int) -> str:
    body = _cut(text, most).strip()
    return f"{origin}:\n{body}" if body else ""


def _capped(pieces: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    left = TOTAL_BYTES
    for piece in pieces:
        fitting = _cut(piece, left)
        left -= len(fitting.encode())
        if fitting:
            kept.append(fitting)
    return tuple(kept)


def _cut(text: str, most: int) -> str:
    return text.encode()[: max(most, 0)].decode(errors="ignore")
