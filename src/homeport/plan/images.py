# SPDX-License-Identifier: Apache-2.0
"""The operating system of a machine, in two stages: 3 to 5 that could do, then one of them by its details."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from homeport.model.advice import Pick
from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.model.requirements import GpuNeed, Requirements
from homeport.model.systemimage import ImageCandidate, ImageChoice, SystemImage
from homeport.plan.gpufit import least_for_cuda, version_of
from homeport.plan.match import same_arch
from homeport.plan.shortfall import firm

MOST, FEWEST = 5, 3
_USUAL = ("ubuntu", "debian", "almalinux", "rocky", "centos", "fedora")
"""Families in the order in which what people write is most likely to be for them."""


def choose_image(
    needs: Requirements, offer: Offer, images: Sequence[SystemImage], picks: Sequence[Pick] = ()
) -> tuple[ImageChoice | None, tuple[str, ...]]:
    """The image and why, or None where the machine has its system already or no image is known; and warnings."""
    if offer.cloud in ("local", "kubernetes"):
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
    losers = [ImageCandidate(one, _why_not(needs, offer, one, best, by)) for one in stage_one if one is not best]
    choice = ImageChoice(best, _why(needs, offer, best, by), (ImageCandidate(best), *losers))
    return choice, (*warnings, *_cautions(needs, offer, best))


def image_candidates(needs: Requirements, offer: Offer, images: Sequence[SystemImage]) -> tuple[SystemImage, ...]:
    """Stage one: at most 5, the best first. By cloud, region and architecture, which must be right; then by GPU stack,
    family and release asked for, and date. The newest of each name."""
    if offer.cloud in ("local", "kubernetes"):
        return ()
    ordered = _possible(needs, offer, images)
    alike = [one for one in ordered if _key(needs, offer, one)[:2] == _key(needs, offer, ordered[0])[:2]]
    return tuple(ordered[: min(MOST, max(FEWEST, len(alike)))])


def _possible(needs: Requirements, offer: Offer, images: Sequence[SystemImage]) -> list[SystemImage]:
    """What would start on the machine, the best first, the best of each name."""
    there = [
        one for one in images
        if one.cloud == offer.cloud and one.region in ("", offer.region) and same_arch(one.arch, offer.arch)
    ]  # fmt: skip
    best: dict[str, SystemImage] = {}
    for one in sorted(there, key=lambda one: _key(needs, offer, one)):
        best.setdefault(one.name, one)
    return list(best.values())


def stack_wanted(needs: Requirements, offer: Offer) -> str:
    """`cuda` or `rocm` where the machine's GPUs are to be used, else ""."""
    if needs.gpu.value is GpuNeed.NO or not offer.gpus:
        return ""
    vendor = offer.gpu_vendor.casefold() or ("amd" if needs.rocm and not needs.cuda else "nvidia")
    return {"nvidia": "cuda", "amd": "rocm"}.get(vendor, "")


def _candidates(
    needs: Requirements, offer: Offer, images: Sequence[SystemImage], picks: Sequence[Pick]
) -> tuple[tuple[SystemImage, ...], tuple[str, ...]]:
    """A pick of stage one may name others that would start and have the GPU stack; the best stays among them."""
    own = image_candidates(needs, offer, images)
    asked = next((pick for pick in picks if pick.images), None)
    if asked is None or not own:
        return own, ()
    stack = stack_wanted(needs, offer)
    least = _stack_distance(needs, offer, own[0], stack)
    possible = [one for one in _possible(needs, offer, images) if _stack_distance(needs, offer, one, stack) == least]
    named = [one for one in possible if one.name in asked.images and one != own[0]]
    if not named and own[0].name not in asked.images:
        return own, (f"{asked.by} named images of which none will do for this machine: they were not taken",)
    return (own[0], *named[: MOST - 1]), ()


def _key(needs: Requirements, offer: Offer, image: SystemImage) -> tuple[Any, ...]:
    stack = stack_wanted(needs, offer)
    release = version_of(image.version)
    return (
        _stack_distance(needs, offer, image, stack), _family_distance(needs, image), _release_distance(needs, image),
        not image.user, tuple(-part for part in release), _later(image.made_on), image.name,
    )  # fmt: skip


def _stack_distance(needs: Requirements, offer: Offer, image: SystemImage, stack: str) -> int:
    """0: what is wanted is in it, in a release that is new enough. Without a GPU to use, a GPU stack is ballast."""
    if not stack:
        return 1 if image.cuda or image.rocm else 0
    has, wanted = (image.cuda, needs.cuda) if stack == "cuda" else (image.rocm, needs.rocm)
    if not has:
        return 2
    if stack == "cuda" and _too_new(offer, image):
        return 1
    return int(wanted is not None and version_of(has)[:1] < version_of(wanted.value)[:1])


def _too_new(offer: Offer, image: SystemImage) -> bool:
    """Its CUDA has dropped GPUs as old as these."""
    least = least_for_cuda(image.cuda)
    return bool(least and offer.compute_capability) and version_of(offer.compute_capability) < version_of(least)


def _family_distance(needs: Requirements, image: SystemImage) -> int:
    wanted = needs.os_family.value.casefold() if needs.os_family else "linux"
    family = image.family.casefold()
    if wanted == family:
        return 0
    return 1 + (_USUAL.index(family) if family in _USUAL else len(_USUAL))


def _release_distance(needs: Requirements, image: SystemImage) -> int:
    if needs.os_version is None or _family_distance(needs, image):
        return 1
    wanted, has = version_of(needs.os_version.value), version_of(image.version)
    return 0 if has[: len(wanted)] == wanted else 1


def _later(date: str) -> tuple[int, ...]:
    return tuple(-int(part) for part in date.split("-") if part.isdecimal())


def _why(needs: Requirements, offer: Offer, image: SystemImage, by: str) -> str:
    stack = stack_wanted(needs, offer)
    parts = [f"chosen by {by}"] if by else []
    if needs.os_family and needs.os_family.value.casefold() == image.family.casefold():
        parts.append(f"{image.family} is {'asked for' if firm(needs.os_family) else 'likely what it is for'}")
    if stack and (has := image.cuda if stack == "cuda" else image.rocm):
        parts.append(f"it has {'CUDA' if stack == 'cuda' else 'ROCm'} {has}".replace(" yes", ""))
    parts.append(f"{image.arch}, release {image.version}" if image.version else image.arch)
    return "; ".join(parts)


def _why_not(needs: Requirements, offer: Offer, one: SystemImage, best: SystemImage, by: str) -> str:
    mine, its = _key(needs, offer, one), _key(needs, offer, best)
    stack = stack_wanted(needs, offer)
    if by and mine < its:
        return f"It is first by its details, but {by} chose {best.name}."
    reasons = (
        _stack_reason(offer, one, stack),
        f"It is {one.family}, and {needs.os_family.value if needs.os_family else best.family} is preferred.",
        f"Its release is {one.version}, not {needs.os_version.value if needs.os_version else best.version}.",
        "Who logs in to it is not known.",
        f"{best.name} is a newer release.",
        f"{best.name} was made later.",
    )
    return next((text for text, left, right in zip(reasons, mine, its, strict=False) if left != right), "It is alike.")


def _stack_reason(offer: Offer, image: SystemImage, stack: str) -> str:
    if not stack:
        return "It has a GPU stack that would not be used."
    if stack == "cuda" and _too_new(offer, image):
        return f"Its CUDA {image.cuda} has dropped GPUs as old as these."
    name, has = ("CUDA", image.cuda) if stack == "cuda" else ("ROCm", image.rocm)
    return f"Its {name} {has} is too old." if has else f"It has no {name}."


def _cautions(needs: Requirements, offer: Offer, image: SystemImage) -> Iterator[str]:
    stack = stack_wanted(needs, offer)
    distance = _stack_distance(needs, offer, image, stack)
    if stack and distance == 2:
        name = "CUDA" if stack == "cuda" else "ROCm"
        yield f"no image of {offer.cloud} is known to have {name}: the driver has to be installed in {image.name}"
    elif stack == "cuda" and _too_new(offer, image):
        yield f"the CUDA {image.cuda} of {image.name} has dropped GPUs as old as those of {offer.machine_type}"
    elif stack and distance == 1:
        wanted = needs.cuda if stack == "cuda" else needs.rocm
        name = "CUDA" if stack == "cuda" else "ROCm"
        yield f"{name} {wanted.value if wanted else ''} is needed, and the newest image has less: {image.name}"
    if needs.os_family and firm(needs.os_family):
        asked = needs.os_family.value.casefold()
        if asked not in ("linux", image.family.casefold()):
            yield f"{asked} is asked for, and {offer.cloud} has no such image for this machine: {image.name} is taken"
        elif needs.os_version and _release_distance(needs, image):
            yield f"{asked} {needs.os_version.value} is asked for, and {image.name} is the nearest that is there"
