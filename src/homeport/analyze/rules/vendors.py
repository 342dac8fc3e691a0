# SPDX-License-Identifier: Apache-2.0
"""Whose accelerator it is made for. One that nobody can rent as a GPU (Apple's, a TPU) is no need for a GPU."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.repo import Repo
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import chosen, is_main
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_WORDS = {
    "nvidia": late(r"(?i)\bnvidia|\bcuda\b|\b(?:rtx|gtx|geforce)\b|\b[avh]100s?\b|\bcudnn|\bnvcc\b"),
    "amd": late(r"(?i)\brocm\b|\bhip\b|\bhipcc\b|\bradeon|\bamd (?:gpus?|instinct)|\bmi\d{3}x?\b"),
    "apple": late(
        r"(?i)\bapple (?:silicon|m\d|neural)|\bmlx\b|\bmps\b|\bmetal\b|\bcore ?ml\b|\bm[1-4] (?:max|pro|ultra)\b"
    ),
    "tpu": late(r"(?i)\b(?:cloud )?tpus?(?:[ -]?v\d\w?)?(?:-\d{1,4})?\b|\btorch_xla\b"),
    "intel": late(r"(?i)\bintel (?:gpus?|arc|xpu|gaudi)|\bgaudi\d?\b|\boneapi\b|\bsycl\b"),
}
_PORTED = late(r"(?i)\bconver\w+|\bport(?:ed|ing)\b|re-?implement|\boriginal|\bfrom tf\b")
"""From one to the other, which leaves the other."""
_BOTH = late(
    r"(?i)\btpus?\b[^.]{0,12}(?:\band\b|\bor\b|/|,|&)[^.]{0,12}\bgpus?\b|\bgpus?\b[^.]{0,12}(?:\band\b|\bor\b|/|,|&)[^.]{0,12}\btpus?\b"
)
"""Either will do."""
_NOT_FOR_RENT = ("apple", "tpu")
_GENERAL = late(r"(?i)\bgpus?\b")
_CLEAR = 3
_FIRST_LINES = 1_500


def _read(repo: Repo, claims: Claims) -> None:
    main = next((path for path in chosen(repo.paths) if is_main(path) and repo.text(path)), "")
    if not main:
        return
    counted: dict[str, list[Sentence]] = {vendor: [] for vendor in _WORDS}
    title: dict[str, int] = dict.fromkeys(_WORDS, 0)
    general, either = 0, list[Sentence]()
    for one in repo.sentences(main):
        if one.line > _FIRST_LINES:
            break
        others = _WORDS["apple"].search(one.text)
        general += bool(_GENERAL.search(one.text)) and not others
        if (
            "pu" in one.text.lower()
            and _BOTH.search(one.text)
            and not _PORTED.search(one.text)
            and not phrases.ASIDE.search(one.under)
        ):
            either.append(one)
        for vendor, pattern in _WORDS.items():
            if pattern.search(one.text) and not phrases.ASIDE.search(one.under):
                counted[vendor].append(one)
                title[vendor] += one.order <= 4
    ranked = sorted(counted, key=lambda vendor: (-(len(counted[vendor]) + 2 * title[vendor]), vendor))
    first, second = ranked[0], ranked[1]
    weights = [len(counted[vendor]) + 2 * title[vendor] for vendor in (first, second)]
    if not weights[0]:
        return
    clear = weights[0] >= _CLEAR and weights[0] >= 2 * weights[1]
    one = counted[first][0]
    alone = first not in _NOT_FOR_RENT or (general < weights[0] and not either)
    claims.add("gpu_vendor", first, Origin.DOCUMENTED, file=main, line=one.line, rule="vendors.words",
               confidence=0.6 if clear and alone else 0.45, text=one.text)  # fmt: skip
    if first in _NOT_FOR_RENT and either:
        claims.add("gpu", GpuNeed.OPTIONAL, Origin.DOCUMENTED, file=main, line=either[0].line, rule="vendors.either",
                   confidence=0.6, text=either[0].text)  # fmt: skip
    elif first in _NOT_FOR_RENT and clear and len(counted["nvidia"]) <= 1 and general <= max(1, weights[0] // 3):
        claims.add("gpu", GpuNeed.NO, Origin.DOCUMENTED, file=main, line=one.line, rule=f"vendors.{first}-only",
                   confidence=0.72, text=one.text)  # fmt: skip


@once
def _wants(paths: Paths) -> list[str]:
    return [path for path in chosen(paths)[:3] if is_main(path)]


RULES = Ruleset(wants=_wants, read=_read)
