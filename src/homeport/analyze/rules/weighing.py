# SPDX-License-Identifier: Apache-2.0
"""What several rules say together, weighed once all have spoken. Nothing is read here, and nothing new is claimed.

For what decides about money, and for ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from homeport.analyze.claims import Claim, Claims, Field
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import HINT, GpuNeed

_SPOKEN = 0.45
_ONE_WAY = 0.47
"""Below all that is asserted."""
_SWITCHES = (
    "python.gpu-extra",
    "builds.cmake-option",
    "cpp.hip-option",
    "cpp.switch",
    "rust.gpu-feature",
    "builds.make-condition",
)
_WORKS_BEHIND = late(r"(?i)train|distribut|worker|controller|(?:^|/)test")
_PART = late(r"(?i)/readme[\w.-]{0,20}$")
_FIRM = 0.6
_IMAGES = ("containers.gpu-base-image", "containers.gpu-variant")


def _read(repo: Repo, claims: Claims) -> None:
    _weigh_images(claims)
    _weigh_ports(claims)
    _weigh_cuda(claims)


def _weigh_images(claims: Claims) -> None:
    """An image for GPUs is one way to build it where the build has a switch for them and documents know another way."""
    said = _of(claims, "gpu")
    switched = any(one.evidence.rule.startswith(_SWITCHES) and one.evidence.confidence >= HINT for one in said)
    always = any(one.evidence.rule == "builds.cmake-language" and one.evidence.confidence >= HINT for one in said)
    if switched and not always and _documents_know_another_way(said):
        _lessen(claims, [one for one in said if one.value is GpuNeed.NEEDED and one.evidence.rule in _IMAGES], _ONE_WAY)


def _weigh_ports(claims: Claims) -> None:
    """What one develops with yields to what is deployed; arguments of several programs do not say which is meant."""
    said = _of(claims, "port")
    deployed = {one.value for one in said if one.origin is Origin.CONTAINER and one.evidence.confidence >= HINT}
    developed = [one for one in said if one.evidence.rule == "documents.developed"]
    if deployed:
        _lessen(claims, [one for one in developed if one.value not in deployed], _ONE_WAY)
    asked = [one for one in said if one.evidence.rule == "python.argument-port"]
    if len({one.value for one in asked}) > 1 and all("/" in one.evidence.file for one in asked):
        _lessen(claims, asked, _ONE_WAY)
    _lessen(claims, [one for one in asked if _WORKS_BEHIND.search(one.evidence.file)], _ONE_WAY)


def _weigh_cuda(claims: Claims) -> None:
    """What a part's page says of versions is older than the image that is built, as a rule."""
    said = _of(claims, "cuda")
    if any(one.evidence.rule == "containers.base-cuda" and one.evidence.confidence >= _FIRM for one in said):
        parts = [one for one in said if one.origin is Origin.DOCUMENTED and _PART.search(one.evidence.file)]
        _lessen(claims, parts, _ONE_WAY)


def _of(claims: Claims, name: Field) -> list[Claim]:
    return [one for one in claims.all if one.field == name]


def _lessen(claims: Claims, some: Sequence[Claim], most: float) -> None:
    chosen = {id(one) for one in some}
    claims.all[:] = [
        replace(one, evidence=replace(one.evidence, confidence=min(one.evidence.confidence, most)))
        if id(one) in chosen
        else one
        for one in claims.all
    ]


def _documents_know_another_way(said: Sequence[Claim]) -> bool:
    told = [one for one in said if one.origin is Origin.DOCUMENTED and one.evidence.confidence >= _SPOKEN]
    return bool(told) and all(one.value is GpuNeed.OPTIONAL for one in told)


def _wants(paths: Sequence[str]) -> list[str]:
    return []


RULES = Ruleset(wants=_wants, read=_read, rank=95)
