# SPDX-License-Identifier: Apache-2.0
"""Sizes in a text, in bytes, and what is claimed of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims, Field
from homeport.analyze.prose import Sentence
from homeport.model.evidence import Origin

_GIB = 1024**3
_UNITS = {"k": _GIB >> 20, "m": _GIB >> 10, "g": _GIB, "t": _GIB << 10}
SIZE = r"(?<![\w.])(\d{1,5}(?:\.\d{1,3})?)\s?(g|t(?=i?b|erab)|m(?=i?b|egab))(?:i?b|igabytes?|egabytes?|erabytes?)?\b"
_LARGEST_GPU = 200 * _GIB
"""More is that of several, or no amount of memory at all."""


def first(patterns: Sequence[re.Pattern[str]], text: str) -> tuple[int, list[tuple[int, int]]]:
    """The first size in bytes, and the spans of all. A word that has its size takes no other: `8 GB VRAM, 16 GB`."""
    found: list[re.Match[str]] = []
    for pattern in patterns:
        found += [match for match in pattern.finditer(text) if not any(_robs(match, one) for one in found)]
    sizes = [size for match in found if (size := to_bytes(*match.groups()[:2]))]
    return (sizes[0] if sizes else 0), [match.span() for match in found]


def _robs(match: re.Match[str], other: re.Match[str]) -> bool:
    """Whether it takes the word of another for a size of its own."""
    return (
        match.start() < other.end()
        and other.start() < match.end()
        and not other.start() <= match.start(1) < other.end()
    )


def without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text with nothing where those stood, as long as before."""
    for begin, end in spans:
        text = text[:begin] + "\x00" * (end - begin) + text[end:]
    return text


def to_bytes(number: str, unit: str) -> int:
    """0 for what no machine has."""
    size = int(float(number) * _UNITS[unit.lower()])
    return size if (64 << 20) <= size <= (100 << 40) else 0


def claim(claims: Claims, field: Field, value: float, file: str, one: Sentence, rule: str, sure: float) -> None:
    """Nothing for 0, or for more than a GPU has."""
    if value and (field != "vram_bytes" or value <= _LARGEST_GPU):
        claims.add(field, value, Origin.DOCUMENTED, file=file, line=one.line, rule=f"documents.{rule}",
                   confidence=round(sure, 3), text=one.text)  # fmt: skip
