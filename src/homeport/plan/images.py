# SPDX-License-Identifier: Apache-2.0
"""The operating system of a machine, in two stages: 3 to 5 that could do, then one of them by its details."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.model.advice import Pick
from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.model.requirements import Requirements, firm
from homeport.model.systemimage import ImageCandidate, ImageChoice, SystemImage
from homeport.plan.imagefit import STACKS, image_cautions, stack_in, stack_wanted, suitability, why_not
from homeport.plan.match import same_arch

MOST, FEWEST = 5, 3
COMPLETE = frozenset({"local", "kubernetes"})
"""Targets whose machines have a system and a network already."""


def choose_image(
    needs: Requirements, offer: Offer, images: Sequence[SystemImage], picks: Sequence[Pick] = ()
) -> tuple[ImageChoice | None, tuple[str, ...]]:
    """The image and why, or None where the machine has its system already or no image is known; and warnings."""
    if offer.cloud in COMPLETE:
        return None, ()
    stage_one, warnings = _candidates(needs, offer, images, picks)
    if not stage_one:
        return None, (*warnings, f"no image is known for {offer.machine_type} on {offer.cloud}")
    best, by = stage_one[0], ""
    for pick in picks:
        if not pick.image:
            continue
        named = next((one for one in stage_one if one.name == pick.image), None)
        if named is not None:
            best, by = named, pick.by
            break
        warnings += (f"{pick.by} chose the image {printable(pick.image, 80)!r}, which is none of the candidates",)
    losers = [ImageCandidate(one, why_not(needs, offer, one, best, by)) for one in stage_one if one is not best]
    choice = ImageChoice(best, _why(needs, offer, best, by), (ImageCandidate(best), *losers))
    return choice, (*warnings, *image_cautions(needs, offer, best))


def image_candidates(needs: Requirements, offer: Offer, images: Sequence[SystemImage]) -> tuple[SystemImage, ...]:
    """Stage one: at most 5, the best first. By cloud, region and architecture, which must be right; then by GPU stack,
    family and release asked for, and date. The newest of each name."""
    if offer.cloud in COMPLETE:
        return ()
    ordered = _possible(needs, offer, images)
    alike = [one for one in ordered if suitability(needs, offer, one)[:2] == suitability(needs, offer, ordered[0])[:2]]
    return tuple(ordered[: min(MOST, max(FEWEST, len(alike)))])


def starts(image: SystemImage, offer: Offer) -> bool:
    """Whether the machine can be started from it: of its cloud, in its region, for its processors."""
    here = image.cloud == offer.cloud and image.region in ("", offer.region)
    return here and same_arch(image.arch, offer.arch)


def _possible(needs: Requirements, offer: Offer, images: Sequence[SystemImage]) -> list[SystemImage]:
    """What would start on the machine, the best first, the best of each name."""
    best: dict[str, SystemImage] = {}
    for one in sorted((one for one in images if starts(one, offer)), key=lambda one: suitability(needs, offer, one)):
        best.setdefault(one.name, one)
    return list(best.values())


def _candidates(
    needs: Requirements, offer: Offer, images: Sequence[SystemImage], picks: Sequence[Pick]
) -> tuple[tuple[SystemImage, ...], tuple[str, ...]]:
    """A pick of stage one may name others that would start, have the GPU stack, and are of the family and release that
    somebody said; the best stays among them."""
    own = image_candidates(needs, offer, images)
    asked = next((pick for pick in picks if pick.images), None)
    if asked is None or not own:
        return own, ()
    said = 1 + firm(needs.os_family) + (firm(needs.os_family) and firm(needs.os_version))
    bar = suitability(needs, offer, own[0])[:said]
    possible = [one for one in _possible(needs, offer, images) if suitability(needs, offer, one)[:said] == bar]
    named = [one for one in possible if one.name in asked.images and one != own[0]]
    if not named and own[0].name not in asked.images:
        return own, (f"{asked.by} named images of which none will do for this machine: they were not taken",)
    filled = dict.fromkeys((own[0], *named, *own[1:FEWEST]))
    return tuple(filled)[: min(MOST, max(FEWEST, 1 + len(named)))], ()


def _why(needs: Requirements, offer: Offer, image: SystemImage, by: str) -> str:
    stack = stack_wanted(needs, offer)
    parts = [f"chosen by {by}"] if by else []
    if needs.os_family and needs.os_family.value.casefold() == image.family.casefold():
        parts.append(f"{image.family} is {'asked for' if firm(needs.os_family) else 'likely what it is for'}")
    if has := stack_in(image, stack):
        parts.append(f"it has {STACKS[stack]} {has}")
    parts.append(f"{image.arch}, release {image.version}" if image.version else image.arch)
    return "; ".join(parts)
