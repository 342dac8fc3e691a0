# SPDX-License-Identifier: Apache-2.0
"""How many GPUs, where a sentence asks for them or says what it was run on."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases, sizes

_WORDS = {"one": 1, "single": 1, "two": 2, "dual": 2, "three": 3, "four": 4, "six": 6, "eight": 8}
_COUNTED = late(
    rf"(?i)(?<![\w.-])(\d{{1,4}}|one|single|two|dual|three|four|six|eight)(?:\s?-\s?\d{{1,4}})?[\s-]?"
    rf"{phrases.TIMES}?\s?(?:of )?(?:high-end |nvidia |tesla |geforce |rtx |amd )*(?:\d{{2,3}}\s?gi?b )?"
    rf"(?:{phrases.CARD}(?![\w.]*\s?gi?b of)"
    rf"|gpus?\b(?!\snodes?\b|\sserver))"
)
_NODES = late(
    r"(?i)(?<![\w.-])(\d{1,3})\s(?:[\w-]{1,20}\s){0,3}nodes\b(?:[^.()]{0,10}\((\d{1,4})\s(?:[\w-]{1,12}\s)?gpus\b)?"
)
_ONE = late(r"(?i)\b(?:an?)\s(?:\w+[\s-]){0,3}?gpu\b(?!s)")
_USAGE = late(r"(?i)^to \w+\b|\b(?:or|/) (?:tpu|cpu|more)\b|\bif you\b")
"""How one goes about it with so many, or with something else."""
_EXAMPLE = 0.45


def read(file: str, one: Sentence, counts: float, claims: Claims) -> None:
    """Counted only where the sentence asks for them, or says what it was run on."""
    if (
        phrases.DRAWING.search(one.text)
        or phrases.SHARED.search(one.text)
        or any(phrase.pattern.search(one.text) for phrase in phrases.DOUBTS)
    ):
        return
    rules = {phrase.rule for phrase in phrases.NEEDS if not phrase.first and phrase.pattern.search(one.text)}
    asked = "gpu-needed" in rules or "gpu-memory" in rules or bool(phrases.ASKING.search(one.under))
    if not rules and not asked:
        return
    if found := _COUNTED.search(one.text):
        number = _of_one_machine(one.text, found)
        if number > 0:
            sure = ((0.75 if asked else 0.6) if number <= 16 else 0.3) * (0.8 if phrases.OURS.search(one.text) else 1.0)
            sure = min(sure, _EXAMPLE) if _USAGE.search(one.text) or phrases.AGAINST.search(one.text) else sure
            sizes.claim(claims, "gpu_count", number, file, one, "gpus-counted", sure * counts)
    elif asked and _ONE.search(one.text):
        sizes.claim(claims, "gpu_count", 1, file, one, "a-gpu", 0.55 * counts)


def _of_one_machine(text: str, found: re.Match[str]) -> int:
    """4 nodes (32 GPUs) are 8 in each; how many nodes there are is no number of GPUs."""
    nodes = _NODES.search(text)
    if nodes and nodes.start() == found.start():
        each, left = divmod(int(nodes[2] or 0), int(nodes[1]) or 1)
        return each if not left else 0
    return _WORDS.get(found[1].lower()) or int(found[1])
