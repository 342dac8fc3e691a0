# SPDX-License-Identifier: Apache-2.0
"""How long it runs, in hours, where a document says so of training: the upper end where there are two."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.model.evidence import Origin

_HOURS = {"min": 1 / 60, "hour": 1.0, "hr": 1.0, "day": 24.0, "week": 168.0}
_WORDS = {
    "a": 1.0,
    "an": 1.0,
    "one": 1.0,
    "two": 2.0,
    "three": 3.0,
    "four": 4.0,
    "five": 5.0,
    "several": 4.0,
    "few": 3.0,
}
_NUMBER = r"(?:\d{1,4}(?:\.\d{1,2})?|an?|one|two|three|four|five|several|(?:a )?few)"
_LASTS = late(
    rf"(?i)\b(?:takes?|took|finish(?:es|ed)?|complet(?:es?|ed)|train(?:s|ed|ing)?|fine-?tun(?:es?|ed|ing)|requires?"
    rf"|needs?|runs?)\b[^.;]{{0,80}}?(?<![\w.$-])(?P<low>{_NUMBER})(?:\s?(?:-|to|or|~)\s?(?P<high>{_NUMBER}))?[\s-]?"
    rf"(?P<unit>min|hour|hr|day|week)(?:ute)?s?\b(?! of (?:audio|video|speech|data|recording|free|training data))"
)
_WORK = late(
    r"(?i)\btrain|\bfine-?tun|\bpretrain|\bepochs?\b|\bsimulat|\breproduc|\bexperiments?\b"
    rf"|\btakes? [^.;]{{0,60}}(?:\bgpus?\b|{phrases.CARD})"
)
_BUILD = late(
    r"(?i)\bcompil|\bbuild(?:ing|s)?\b|\binstall|\bdownload|\bunzip|\bextract|\bin the last|\bevery\b|\bago\b"
)
_SHORTEST, _LONGEST = 0.1, 2400.0


def read(documents: Sequence[tuple[str, list[Sentence]]], claims: Claims) -> None:
    """One GPU model or another changes it, so it stays below what is said outright of a machine."""
    for file, sentences in documents:
        counts = 1.0 if is_main(file) else 0.85 if weight(file) >= 0.5 else 0.6
        for one in sentences:
            if one.code or not _WORK.search(one.text) or _BUILD.search(one.text) or phrases.ASIDE.search(one.under):
                continue
            if (found := _LASTS.search(one.text)) and (hours := _hours(found)):
                sure = 0.6 if re.search(rf"(?i)\bgpus?\b|{phrases.CARD}", one.text) else 0.52
                claims.add("hours", hours, Origin.DOCUMENTED, file=file, line=one.line, rule="documents.duration",
                           confidence=round(sure * counts, 3), text=one.text)  # fmt: skip


def _hours(found: re.Match[str]) -> float:
    """0.0 for what nobody waits for, or nobody could."""
    hours = _count(found["high"] or found["low"]) * _HOURS[found["unit"].lower()]
    return round(hours, 2) if _SHORTEST <= hours <= _LONGEST else 0.0


def _count(text: str) -> float:
    word = text.lower().rpartition(" ")[2]
    return _WORDS[word] if word in _WORDS else float(word)
