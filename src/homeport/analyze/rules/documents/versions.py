# SPDX-License-Identifier: Apache-2.0
"""Versions that documents ask for: CUDA, ROCm, compute capability; and what they say about vendors."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.model.evidence import Origin

_CUDA = late(
    r"(?i)\bcuda(?:[- ]toolkit| sdk| runtime| driver)?:?(?: versions?)?(?: should be| must be| is)?"
    r"[\s:=(\"\'`]{0,5}(?:>=|≥|>|~)?\s?v?(\d{1,2}(?:\.\d{1,2})?)(?![\d.]*\s?(?:gi?b|cores|kernels|gpus?|devices))\b"
)
_WHEEL = late(
    r"whl/cu(\d{2,3})\b|\bcudatoolkit=(\d{1,2}\.\d)|pytorch-cuda=(\d{1,2}\.\d)|nvidia/cuda:(\d{1,2}\.\d{1,2})"
)
_ROCM = late(r"(?i)\brocm(?: version)?[\s:]{0,2}(?:>=|≥|v)?\s?(\d{1,2}(?:\.\d{1,2}){0,2})\b")
_CAPABILITY = late(r"(?i)compute capabilit(?:y|ies)[^.\d]{0,30}(\d{1,2}\.\d)\b")
_GENERATIONS = {"volta": "7.0", "turing": "7.5", "ampere": "8.0", "ada": "8.9", "hopper": "9.0", "blackwell": "10.0"}
_GENERATION = late(
    r"(?i)\b(volta|turing|ampere|ada|hopper|blackwell)\b(?: lovelace)?[^.]{0,25}?"
    r"(?:\b(?:or|and) (?:newer|later|higher|above|better)|\+)"
)
_FLOOR = late(
    r"(?i)\b(?:or|and) (?:higher|later|newer|above|greater|up\b)|>=|≥|\+|at least|minimum|requires?|required|needs?\b"
    r"|must|supporting|\bhave (?:\w+ )?installed"
)
_LATER_SYSTEMS = late(
    r"(?i)\bwindows\b|\bold(?:er)?\b|\bprior to\b|\bbefore\b|\bsince\b|\bdeprecat|\badded\b|\bremoved?\b"
)
_OTHER = late(
    r"\s?(?:,|/|\bor\b|\band\b|&)\s?(?:or |and )?(?:cuda[ -]?)?v?(\d{1,2})(?:\.\d{1,2}|\.x)?(?![\w%]|\s?gb)", re.I
)
"""Another version that will do as well, by its major number."""
_ALL = late(
    r"(?i)\b(?:by|for|in|of) (?:all|every|each)\b|\ball (?:\w+ )?(?:require|need)|\bdefault\b"
    r"|\bbuilt (?:with|against)\b"
)
_ADVISED = late(r"(?i)\brecommend|\bprefer")
"""The first of several is meant."""
_PART = late(r"(?i)\binstead\b|\bbut not\b|\balso available\b|\bonly (?:if|for|when)\b")
_SUPPOSED = late(r"(?i)\bif you have\b|\bfor example\b|\be\.g\.|\bsay\b")
_LIKELY = range(7, 16)


def read(documents: Sequence[tuple[str, list[Sentence]]], claims: Claims) -> None:
    found: list[tuple[float, str, str, Sentence, str]] = []
    for file, sentences in documents:
        counts = 1.0 if is_main(file) else 0.85 if weight(file) > 0.5 else 0.75 if weight(file) == 0.5 else 0.6
        for one in sentences:
            lower = one.text.lower()
            if "cu" in lower:
                found += _cuda(file, one, counts * (0.5 if phrases.ASIDE.search(one.under) else 1.0))
            if "rocm" in lower and (match := _ROCM.search(one.text)):
                claims.add("rocm", match[1], Origin.DOCUMENTED, file=file, line=one.line, rule="documents.rocm",
                           confidence=round(0.55 * counts, 3), text=one.text)  # fmt: skip
            if "compute cap" in lower and (match := _CAPABILITY.search(one.text)):
                claims.add("compute_capability", match[1], Origin.DOCUMENTED, file=file, line=one.line,
                           rule="documents.compute-capability", confidence=round(0.7 * counts, 3),
                           text=one.text)  # fmt: skip
            if match := _GENERATION.search(one.text):
                sure = 0.65 if _FLOOR.search(one.text) or phrases.ASKING.search(one.under) else 0.5
                claims.add("compute_capability", _GENERATIONS[match[1].lower()], Origin.DOCUMENTED, file=file,
                           line=one.line, rule="documents.generation", confidence=round(sure * counts, 3),
                           text=one.text)  # fmt: skip
    found.sort(key=lambda item: -item[0])
    near = [item for item in found if item[0] > found[0][0] - 0.1 and is_main(item[2]) >= is_main(found[0][2])]
    majors = {item[1].partition(".")[0] for item in near}
    for sure, version, file, one, rule in found[:6]:
        sure = sure if len(majors) == 1 else min(sure, 0.45)
        claims.add("cuda", version, Origin.DOCUMENTED, file=file, line=one.line, rule=f"documents.{rule}",
                   confidence=round(sure, 3), text=one.text)  # fmt: skip


def _cuda(file: str, one: Sentence, counts: float) -> list[tuple[float, str, str, Sentence, str]]:
    if one.code:
        if "nvidia-smi" in one.text:  # whether Docker sees the GPU
            return []
        return [(0.55 * counts, _dotted(next(part for part in match.groups() if part)), file, one, "cuda-command")
                for match in _WHEEL.finditer(one.text)]  # fmt: skip
    told = []
    asked = bool(_FLOOR.search(one.text)) or bool(phrases.ASKING.search(one.under))
    for match in _CUDA.finditer(one.text):
        if int(match[1].partition(".")[0]) in _LIKELY:
            near = one.text[max(match.start() - 70, 0) : match.end() + 40]
            sure = (0.75 if asked else 0.55) * (0.7 if _LATER_SYSTEMS.search(near) else 1.0)
            sure *= 0.7 if _SUPPOSED.search(one.text) else 0.8 if _among_others(one.text, match) else 1.0
            sure *= 0.7 if _PART.search(one.text) else 1.25 if _ALL.search(one.text) else 1.0
            told.append((sure * counts, match[1], file, one, "cuda"))
    return told


def _among_others(text: str, match: re.Match[str]) -> bool:
    """Whether versions of several major numbers are named in a row, any of which will do: no telling which to take."""
    if _ADVISED.search(text):
        return False
    majors = {found[1].partition(".")[0] for found in _CUDA.finditer(text)}
    after = _OTHER.match(text, match.end(1))
    while after:
        majors.add(after[1])
        after = _OTHER.match(text, after.end())
    return len([one for one in majors if int(one) in _LIKELY]) > 1


def _dotted(text: str) -> str:
    """cu118 is 11.8."""
    return text if "." in text else f"{text[:-1]}.{text[-1]}"
