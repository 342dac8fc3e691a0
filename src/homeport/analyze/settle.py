# SPDX-License-Identifier: Apache-2.0
"""How conflicts between claims end: by who said it, then by how sure the rule is, then by who came first.

What a machine is chosen by has one rule more: a hint (confidence below `HINT`) yields to all that is firmer. And of
hints at memory or disk that dependencies and code give, the largest counts: each is what one part needs at least."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from homeport.analyze.claims import Claim, Claims, Field
from homeport.analyze.repo import shown
from homeport.model.evidence import Inferred, Origin
from homeport.model.paths import printable
from homeport.model.requirements import HINT
from homeport.model.size import as_size

T = TypeVar("T")
_RANK = {origin: rank for rank, origin in enumerate(Origin)}
_EVIDENCE = 5
_LOSERS = 3
_BY_FIRMNESS = frozenset(
    "gpu gpu_count vram_bytes gpu_vendor cuda rocm compute_capability memory_bytes cpus disk_bytes shared_memory_bytes "
    "os_family kind hours language port".split()
)


def settle(claims: Claims, name: Field, kind: type[T]) -> Inferred[T] | None:
    """The winning value with all evidence for it, and a note on what lost; None if nobody claimed the field."""
    ranked = sorted(
        (claim for claim in claims.all if claim.field == name),
        key=lambda claim: (_hint(claim), *_order(claim), -claim.evidence.confidence),
    )
    if not ranked:
        return None
    best = ranked[0]
    assert isinstance(best.value, kind), (name, best.value)
    agreeing = [claim for claim in ranked if claim.value == best.value]
    evidence = tuple(dict.fromkeys(claim.evidence for claim in agreeing))[:_EVIDENCE]
    return Inferred(best.value, best.origin, evidence, _note(best, ranked))


def _order(claim: Claim) -> tuple[int, float]:
    if _of_a_part(claim):
        assert isinstance(claim.value, int)
        return _RANK[Origin.DEPENDENCY], -float(claim.value)
    return _RANK[claim.origin], 0.0


def _of_a_part(claim: Claim) -> bool:
    """It estimates what a part of it needs."""
    parts = (Origin.DEPENDENCY, Origin.CODE)
    return claim.field in ("memory_bytes", "disk_bytes") and claim.origin in parts and _hint(claim)


def _note(best: Claim, ranked: Sequence[Claim]) -> str:
    losers: dict[str, Claim] = {}
    for claim in ranked:
        if claim.value != best.value and claim.origin is not Origin.DEFAULT:
            losers.setdefault(say(claim.value, name=claim.field), claim)
    parts = []
    for text, claim in list(losers.items())[:_LOSERS]:
        where = f"{shown(claim.evidence.file)}:{claim.evidence.line}" if claim.evidence.file else claim.origin
        if _hint(claim) and not _hint(best):
            why = "is a hint"
        elif _of_a_part(claim) and _of_a_part(best):
            why = "is the smaller estimate"
        else:
            why = "is less sure" if claim.origin is best.origin else f"{claim.origin} yields to {best.origin}"
        parts.append(f"not {text} ({where}): {why}")
    return "; ".join(parts)


def _hint(claim: Claim) -> bool:
    return claim.field in _BY_FIRMNESS and claim.evidence.confidence < HINT


def say(value: object, *, name: str = "") -> str:
    """A value of the field `name` for people, on one line."""
    if isinstance(value, int) and name.endswith("_bytes"):
        return as_size(value)
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return printable(text, 100)
