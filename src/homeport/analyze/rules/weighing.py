# SPDX-License-Identifier: Apache-2.0
"""What several rules say together, weighed once all have spoken. Nothing is read here, and nothing new is claimed.

Only the GPU is weighed so: it decides about most of the money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from homeport.analyze.claims import Claim, Claims
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import HINT, GpuNeed

_SPOKEN = 0.45
_ONE_WAY = 0.47
"""Below all that is asserted."""
_SWITCHES = ("builds.cmake-option", "cpp.hip-option", "cpp.switch", "devices.cargo-feature", "builds.make-condition")
_IMAGES = ("containers.gpu-base-image", "containers.gpu-variant")


def _read(repo: Repo, claims: Claims) -> None:
    """An image for GPUs is one way to build it where the build has a switch for them and documents know another way."""
    said = [one for one in claims.all if one.field == "gpu"]
    switched = any(one.evidence.rule.startswith(_SWITCHES) and one.evidence.confidence >= HINT for one in said)
    if not switched or not _documents_know_another_way(said):
        return
    for place, one in enumerate(claims.all):
        if one.field == "gpu" and one.value is GpuNeed.NEEDED and one.evidence.rule in _IMAGES:
            sure = min(one.evidence.confidence, _ONE_WAY)
            claims.all[place] = replace(one, evidence=replace(one.evidence, confidence=sure))


def _documents_know_another_way(said: Sequence[Claim]) -> bool:
    told = [one for one in said if one.origin is Origin.DOCUMENTED and one.evidence.confidence >= _SPOKEN]
    return bool(told) and all(one.value is GpuNeed.OPTIONAL for one in told)


def _wants(paths: Sequence[str]) -> list[str]:
    return []


RULES = Ruleset(wants=_wants, read=_read, rank=95)
