# SPDX-License-Identifier: Apache-2.0
"""What documents say together: the same in several of them counts more, numbers of GPUs that differ count less."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from homeport.analyze.claims import Claim, Claims, Field
from homeport.model.evidence import Origin
from homeport.model.requirements import HINT

_REPEATED: tuple[Field, ...] = ("vram_bytes", "gpu_count", "memory_bytes", "disk_bytes")
_FILES = 3
_NEARLY = 0.4
_ASSERTED = 0.52
_HINTED = 0.45
_RIVAL = 0.12
_MEANT, _OFTEN = 0.35, 4
_SPOKEN_OF = 0.3
_COUNTED, _STARTED = "documents.gpus-counted", "documents.processes-per-node"


def weigh(claims: Claims) -> None:
    """Changes how sure the documents' claims are, in place."""
    for field in _REPEATED:
        _add_up(claims, field)
    if not _keep_the_usual(claims):
        _drop_the_contradicted(claims)
    _keep_the_smaller(claims)
    _count_the_one(claims)


def _add_up(claims: Claims, field: Field) -> None:
    """What three files say, each nearly sure, is asserted, if none says more surely something else."""
    said = _of(claims, field)
    if not said or max(one.evidence.confidence for one in said) >= HINT:
        return
    files: defaultdict[object, set[str]] = defaultdict(set)
    for one in said:
        if one.evidence.confidence >= _NEARLY and one.evidence.rule != "documents.a-gpu":
            files[one.value].add(one.evidence.file)
    agreed = [value for value, where in files.items() if len(where) >= _FILES]
    if len(agreed) == 1:
        best = max((one for one in said if one.value == agreed[0]), key=lambda one: one.evidence.confidence)
        _set(claims, best, _ASSERTED)


def _keep_the_smaller(claims: Claims) -> None:
    """Where one sentence says both how many GPUs and how large, and that it will do, more of them are not needed."""
    sizes = {_place(one) for one in _of(claims, "vram_bytes") if one.evidence.confidence >= HINT}
    counts = _of(claims, "gpu_count")
    numbered = [(one.value, one) for one in counts if isinstance(one.value, int)]
    whole = [(number, one) for number, one in numbered if _place(one) in sizes and one.evidence.rule == _COUNTED]
    if not whole:
        return
    least, complete = min(whole, key=lambda item: item[0])
    for number, one in numbered:
        if number > least:
            _set(claims, one, min(one.evidence.confidence, _HINTED))
    _set(claims, complete, max(complete.evidence.confidence, _ASSERTED))


def _keep_the_usual(claims: Claims) -> bool:
    """Whether several sentences and commands count the same GPUs, twice as many as any other: that is asserted."""
    counts = [one for one in _of(claims, "gpu_count") if one.evidence.rule in (_COUNTED, _STARTED)]
    said = {(_place(one), one.value): one for one in counts if one.evidence.confidence >= _MEANT}
    times = Counter(value for _, value in said)
    if not times or len(times) < 2:
        return False
    (usual, most), (_, next_) = times.most_common(2)
    told = any(one.value == usual and one.evidence.rule == _COUNTED for one in said.values())
    if not told or most < _OFTEN or most < 2 * next_:
        return False
    for one in said.values():
        sure = one.evidence.confidence
        _set(claims, one, max(sure, _ASSERTED) if one.value == usual else min(sure, _HINTED))
    return True


def _drop_the_contradicted(claims: Claims) -> None:
    counts = [one for one in _of(claims, "gpu_count") if one.evidence.rule in (_COUNTED, _STARTED)]
    top = max((one.evidence.confidence for one in counts), default=0.0)
    rivals = [one for one in counts if one.evidence.confidence > top - _RIVAL]
    if len({one.value for one in rivals}) > 1:
        for one in rivals:
            _set(claims, one, min(one.evidence.confidence, _HINTED))


def _count_the_one(claims: Claims) -> None:
    """How much memory a GPU needs is said of one, where nobody speaks of several."""
    sizes = [one for one in _of(claims, "vram_bytes") if one.evidence.confidence >= HINT]
    counts = [one for one in claims.all if one.field == "gpu_count" and one.evidence.confidence >= _SPOKEN_OF]
    if sizes and not any(one.evidence.confidence >= HINT or one.value != 1 for one in counts):
        best = max(sizes, key=lambda one: one.evidence.confidence)
        evidence = replace(best.evidence, rule="documents.memory-of-one", confidence=_ASSERTED)
        claims.all.append(Claim("gpu_count", 1, Origin.DOCUMENTED, evidence))


def _of(claims: Claims, field: Field) -> list[Claim]:
    return [one for one in claims.all if one.field == field and one.origin is Origin.DOCUMENTED]


def _place(one: Claim) -> tuple[str, int]:
    return one.evidence.file, one.evidence.line


def _set(claims: Claims, one: Claim, sure: float) -> None:
    at = next(place for place, known in enumerate(claims.all) if known is one)
    claims.all[at] = replace(one, evidence=replace(one.evidence, confidence=sure))
