# SPDX-License-Identifier: Apache-2.0
"""Whether the documents ask for a GPU: phrases weighed together, one claim with the sentences that decided it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.analyze.rules.documents.phrases import Phrase
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_GPU_WORD = late(rf"\b{phrases.DEVICE}\b", re.I)
_SECTION = Phrase("gpu-section", 0.5, _GPU_WORD)
"""What is said under a heading of its own about GPUs holds for those who use one."""
_ASIDE_COUNTS = 0.25
_PLAIN = 0.85
_WATCHED = 0.5


@dataclass(slots=True)
class _Side:
    """What speaks for one answer: the best sentence by rule."""

    best: dict[str, tuple[float, str, Sentence]] = field(default_factory=dict)

    def add(self, rule: str, sure: float, file: str, sentence: Sentence) -> None:
        if sure > self.best.get(rule, (0.0,))[0]:
            self.best[rule] = (sure, file, sentence)

    @property
    def total(self) -> float:
        left = 1.0
        for sure, _, _ in self.best.values():
            left *= 1 - sure
        return 1 - left

    @property
    def top(self) -> float:
        return max((sure for sure, _, _ in self.best.values()), default=0.0)


def read(documents: Sequence[tuple[str, list[Sentence]]], claims: Claims) -> None:
    need, doubt, round_, parts = _Side(), _Side(), _Side(), _Side()
    top = max((weight(file) for file, _ in documents), default=1.0)
    for file, sentences in documents:
        counts = weight(file) / max(top, 0.5)  # without a README in the root the guides speak for the whole
        for one in sentences:
            if not phrases.ABOUT.search(one.text) and not one.code:
                continue
            sure = counts * (_ASIDE_COUNTS if phrases.ASIDE.search(one.under) else 1.0)
            if counts > 0.5:
                _weigh(file, one, sure, need, doubt, round_)
            else:
                _weigh(file, one, sure, parts, parts, parts)
    if is_list(documents):
        need, round_, parts = _Side(), _Side(), _Side()
        doubt.best = {rule: told for rule, told in doubt.best.items() if told[0] >= _PLAIN}
    verdict = _verdict(need, doubt, round_)
    if verdict is not None:
        answer, sure = verdict
        if answer is GpuNeed.NEEDED and _watches(documents):
            answer, sure = GpuNeed.OPTIONAL, _WATCHED
        sides = [need] if answer is GpuNeed.NEEDED else [doubt, round_] if doubt.best or round_.best else [need]
        _claim(claims, answer, sure, sides)
    elif parts.total >= 0.3:
        _claim(claims, GpuNeed.OPTIONAL, 0.4 if parts.total >= 0.6 else 0.3, [parts])


def is_list(documents: Sequence[tuple[str, list[Sentence]]]) -> bool:
    """A list of links to the work of others."""
    main = next((found for file, found in documents if is_main(file)), [])
    return any("awesome" in one.text.lower() and one.order <= 3 for one in main[:6])


def _watches(documents: Sequence[tuple[str, list[Sentence]]]) -> bool:
    """Whether it says at its top that it monitors machines."""
    main = next((found for file, found in documents if is_main(file)), [])
    return any(phrases.WATCHES.search(one.text) for one in main[:12] if one.order <= 6 and not one.code)


def _verdict(need: _Side, doubt: _Side, round_: _Side) -> tuple[GpuNeed, float] | None:
    against = 1 - (1 - doubt.total) * (1 - round_.total)
    if need.top >= 0.8:
        if doubt.top >= 0.75:
            return GpuNeed.OPTIONAL, 0.49
        return GpuNeed.NEEDED, 0.75 if against < 0.5 else 0.55
    if need.total >= 0.7:
        if against < 0.5:
            return GpuNeed.NEEDED, round(min(0.7, need.total), 2)
        return GpuNeed.OPTIONAL, 0.6 if doubt.top >= 0.75 else 0.49
    if doubt.total >= 0.75:
        only_no = set(doubt.best) == {"gpu-not-needed"} and not need.best
        return (GpuNeed.NO if only_no else GpuNeed.OPTIONAL), 0.65
    if doubt.total >= 0.45:
        return GpuNeed.OPTIONAL, 0.45
    if need.total >= 0.45:
        mentioned = against >= 0.5 or set(need.best) == {"gpu-work"}
        return (GpuNeed.OPTIONAL, 0.42) if mentioned else (GpuNeed.NEEDED, 0.45)
    return None


def _weigh(file: str, one: Sentence, counts: float, need: _Side, doubt: _Side, round_: _Side) -> None:
    if one.code:
        if not _first(round_, phrases.CODE_WAYS_ROUND, file, one, counts):
            _first(need, phrases.CODE_NEEDS, file, one, counts)
        return
    if phrases.DRAWING.search(one.text):
        return
    counts *= 0.5 if one.row else 1.0
    listed = phrases.ASKING.search(one.under) and phrases.LISTED.search(one.text)
    if listed and not phrases.PURPOSE.search(one.text):
        need.add("gpu-among-requirements", 0.8 * counts, file, one)
        return
    moved = bool(phrases.MOVED.search(one.text))
    aside = 0.3 if moved else 0.5 if phrases.SHOWN.search(one.text) else 1.0
    if _GPU_WORD.search(one.text) and _first(doubt, phrases.DOUBTS, file, one, counts * aside):
        return
    if not moved and _first(round_, phrases.WAYS_ROUND, file, one, counts):
        return
    section = " / ".join(one.headings[1:])
    if phrases.CHOSEN.search(section) and not phrases.ASKING.search(section.lower()):
        _first(doubt, (_SECTION,), file, one, counts)
        return
    if _first(need, phrases.NEEDS, file, one, counts):
        return
    if _GPU_WORD.search(one.text) and phrases.ASKING.search(one.under) and len(one.text) < 300:
        need.add("gpu-among-requirements", 0.8 * counts, file, one)


def _first(side: _Side, table: Iterable[Phrase], file: str, one: Sentence, counts: float) -> bool:
    for phrase in table:
        if (not phrase.first or one.order <= phrase.first) and phrase.pattern.search(one.text):
            side.add(phrase.rule, phrase.weight * counts, file, one)
            return True
    return False


def _claim(claims: Claims, answer: GpuNeed, sure: float, sides: Sequence[_Side]) -> None:
    told = sorted((item for side in sides for item in side.best.items()), key=lambda item: -item[1][0])
    for place, (rule, (_, file, one)) in enumerate(told[:3]):
        claims.add("gpu", answer, Origin.DOCUMENTED, file=file, line=one.line, rule=f"documents.{rule}",
                   confidence=round(sure - place / 1000, 3), text=one.text)  # fmt: skip
