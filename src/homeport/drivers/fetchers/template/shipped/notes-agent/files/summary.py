# SPDX-License-Identifier: Apache-2.0
"""An extractive summary: the sentences that carry the most of what the text talks about."""

from __future__ import annotations

import re
from collections import Counter

FILLER = frozenset("a an and are as at be but by for from has have in is it its of on or that the to was with".split())


def summarize(text: str, *, sentences: int) -> str:
    """At most `sentences` sentences of the text itself, in their order. Nothing is made up."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]
    words = Counter(word for part in parts for word in content(part))
    ranked = sorted(range(len(parts)), key=lambda i: (-weight(parts[i], words), i))
    return " ".join(parts[i] for i in sorted(ranked[:sentences]))


def weight(sentence: str, words: Counter[str]) -> float:
    own = content(sentence)
    return sum(words[word] for word in set(own)) / (len(own) + 3) if own else 0.0


def content(sentence: str) -> list[str]:
    return [word for word in re.findall(r"\w+", sentence.lower()) if word not in FILLER]
