# SPDX-License-Identifier: Apache-2.0
"""READMEs: only sentences that leave no doubt about a GPU are taken; everything else in them is prose."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_GPU = r"(?:(?:an?|one|the)\s)?(?:\w{0,12}\s){0,3}(?:gpus?|cuda)\b"
_OPTIONAL = re.compile(
    r"(?i)\b(?:gpus?|cuda)\b[^.]{0,40}\b(?:is|are)\s(?:optional|not (?:required|needed))"
    r"|\boptional(?:ly)?\b[^.]{0,30}\bgpus?\b"
    r"|\b(?:no|without an?)\sgpus?\b[^.]{0,20}(?:required|needed|necessary)"
    rf"|\b(?:does not|doesn't|not) (?:require|need) {_GPU}"
)
_NEEDED = re.compile(
    rf"(?i)\b(?:requires?|needs?|you(?:'ll| will) need)\s{_GPU}"
    r"|\bnvidia gpu\b[^.]{0,40}\b(?:is )?(?:required|needed)\b"
)
_NAMES = ("README.md", "README.rst", "README.txt", "README", "readme.md")
_MOST_LINES = 600


def _read(repo: Repo, claims: Claims) -> None:
    for file in _NAMES:
        for number, line in enumerate(repo.lines(file)[:_MOST_LINES], 1):
            need = _need(line)
            if need:
                claims.add(
                    "gpu",
                    need,
                    Origin.DOCUMENTED,
                    file=file,
                    line=number,
                    rule=f"readme.gpu-{need}",
                    confidence=0.6,
                    text=line,
                )


def _need(line: str) -> GpuNeed | None:
    if "GPU" not in line and "gpu" not in line and "CUDA" not in line:
        return None
    if _OPTIONAL.search(line):
        return GpuNeed.OPTIONAL
    return GpuNeed.NEEDED if _NEEDED.search(line) else None


def _wants(paths: Sequence[str]) -> list[str]:
    present = set(paths)
    return [name for name in _NAMES if name in present]


RULES = Ruleset(wants=_wants, read=_read)
