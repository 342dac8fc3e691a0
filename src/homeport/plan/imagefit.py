# SPDX-License-Identifier: Apache-2.0
"""How well an image suits a machine and its work: GPU stack, family, release, login, date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from homeport.model.plan import Offer
from homeport.model.requirements import GpuNeed, Requirements, firm
from homeport.model.systemimage import SystemImage
from homeport.plan.gpufit import least_for_cuda, version_of

STACKS = {"cuda": "CUDA", "rocm": "ROCm"}
"""What a GPU's programs are built on, by the vendor's own spelling."""
_OF_VENDOR = {"nvidia": "cuda", "amd": "rocm"}
_USUAL = ("ubuntu", "debian", "almalinux", "rocky", "centos", "fedora")
"""Families in the order in which what people write is most likely to be for them."""


def stack_wanted(needs: Requirements, offer: Offer) -> str:
    """`cuda` or `rocm` where the machine's GPUs are to be used, else ""."""
    if needs.gpu.value is GpuNeed.NO or not offer.gpus:
        return ""
    vendor = offer.gpu_vendor.casefold() or ("amd" if needs.rocm and not needs.cuda else "nvidia")
    return _OF_VENDOR.get(vendor, "")


def stack_in(image: SystemImage, stack: str) -> str:
    """The version of a stack that the image has; "" for none, and where no stack is wanted."""
    return {"cuda": image.cuda, "rocm": image.rocm}.get(stack, "")


def _stack_needed(needs: Requirements, stack: str) -> str:
    """The version of a stack that is needed; "" where nothing says so."""
    found = {"cuda": needs.cuda, "rocm": needs.rocm}.get(stack)
    return found.value if found else ""


def suitability(needs: Requirements, offer: Offer, image: SystemImage) -> tuple[Any, ...]:
    """A key to sort by: the best suited first."""
    stack = stack_wanted(needs, offer)
    release = version_of(image.version)
    return (
        stack_distance(needs, offer, image, stack), _family_distance(needs, image), _release_distance(needs, image),
        not image.user, _beyond(needs, image, stack), tuple(-part for part in release), _later(image.made_on),
        image.name,
    )  # fmt: skip


def stack_distance(needs: Requirements, offer: Offer, image: SystemImage, stack: str) -> int:
    """0: what is wanted is in it, in a release that is new enough. Without a GPU to use, a GPU stack is ballast."""
    if not stack:
        return 1 if image.cuda or image.rocm else 0
    has, wanted = stack_in(image, stack), _stack_needed(needs, stack)
    if not has:
        return 2
    if stack == "cuda" and _too_new(offer, image):
        return 1
    return int(version_of(has)[:1] < version_of(wanted)[:1])


def _beyond(needs: Requirements, image: SystemImage, stack: str) -> int:
    """By how many major releases its GPU stack is newer than what is needed: the nearest is the safest."""
    has, wanted = version_of(stack_in(image, stack)), version_of(_stack_needed(needs, stack))
    return max(0, has[0] - wanted[0]) if has and wanted else 0


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


def why_not(needs: Requirements, offer: Offer, one: SystemImage, best: SystemImage, by: str) -> str:
    """Why it lost to `best`; `by` is who chose, "" for the order."""
    mine, its = suitability(needs, offer, one), suitability(needs, offer, best)
    stack = stack_wanted(needs, offer)
    if by and mine < its:
        return f"It is first by its details, but {by} chose {best.name}."
    reasons = (
        _stack_reason(offer, one, stack),
        f"It is {one.family}, and {needs.os_family.value if needs.os_family else best.family} is preferred.",
        f"Its release is {one.version}, not {needs.os_version.value if needs.os_version else best.version}.",
        "Who logs in to it is not known.",
        f"Its {STACKS.get(stack)} is newer than the one that is needed.",
        f"{best.name} is a newer release.",
        f"{best.name} was made later.",
    )
    return next((text for text, left, right in zip(reasons, mine, its, strict=False) if left != right), "It is alike.")


def _stack_reason(offer: Offer, image: SystemImage, stack: str) -> str:
    if not stack:
        return "It has a GPU stack that would not be used."
    if stack == "cuda" and _too_new(offer, image):
        return f"Its CUDA {image.cuda} has dropped GPUs as old as these."
    has = stack_in(image, stack)
    return f"Its {STACKS[stack]} {has} is too old." if has else f"It has no {STACKS[stack]}."


def image_cautions(needs: Requirements, offer: Offer, image: SystemImage) -> Iterator[str]:
    """What the image chosen does not have."""
    stack = stack_wanted(needs, offer)
    distance = stack_distance(needs, offer, image, stack)
    if stack and distance == 2:
        lacking = f"no image of {offer.cloud} is known to have {STACKS[stack]}"
        yield f"{lacking}: the driver has to be installed in {image.name}"
    elif stack == "cuda" and _too_new(offer, image):
        yield f"the CUDA {image.cuda} of {image.name} has dropped GPUs as old as those of {offer.machine_type}"
    elif stack and distance == 1:
        wanted = f"{STACKS[stack]} {_stack_needed(needs, stack)}"
        yield f"{wanted} is needed, and the newest image has less: {image.name}"
    if needs.os_family and firm(needs.os_family):
        asked = needs.os_family.value.casefold()
        if asked not in ("linux", image.family.casefold()):
            yield f"{asked} is asked for, and {offer.cloud} has no such image for this machine: {image.name} is taken"
        elif needs.os_version and _release_distance(needs, image):
            yield f"{asked} {needs.os_version.value} is asked for, and {image.name} is the nearest that is there"
