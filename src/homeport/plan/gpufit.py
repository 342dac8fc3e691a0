# SPDX-License-Identifier: Apache-2.0
"""Whether an offer's GPUs will do: vendor, capability, number and memory."""

from __future__ import annotations

from collections.abc import Iterator

from homeport.model.evidence import Origin
from homeport.model.plan import Offer
from homeport.model.requirements import GpuNeed, Requirements, firm
from homeport.model.size import as_size
from homeport.plan.shortfall import GROSS, NOMINAL, Shortfall

SPLIT_ABOVE = 80 * 2**30
"""More memory than this is more than one GPU usually has: where nobody says how many, it is that of all together."""
CURRENT_CAPABILITY = "7.0"
"""What the current builds of the frameworks still support; assumed of NVIDIA GPUs where nothing says more or less."""
_LEAST_FOR_CUDA = {11: "3.5", 12: "5.0", 13: "7.5"}
"""The oldest GPUs that each CUDA release compiles for (NVIDIA's release notes)."""


def check_gpus(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    """Nothing where no GPU has to be there."""
    if needs.gpu.value is GpuNeed.NEEDED:
        yield from _check(needs, offer)


def useful_gpus(needs: Requirements, offer: Offer) -> bool:
    """Whether it has GPUs that the work, which may do without, can use."""
    if needs.gpu.value is GpuNeed.NO or not offer.gpus:
        return False
    return not any(one.lacking for one in _check(needs, offer))


def wanted_count(needs: Requirements) -> int:
    return max(1, needs.gpu_count.value) if needs.gpu_count else 1


def wanted_vendors(needs: Requirements) -> tuple[str, ...]:
    """Who may have made them, in small letters; empty where nothing says so."""
    if needs.gpu_vendor is not None:
        return (needs.gpu_vendor.value.casefold(),)
    said = [vendor for vendor, one in (("nvidia", needs.cuda), ("amd", needs.rocm)) if one is not None]
    return tuple(said) or (("nvidia",) if needs.compute_capability else ())


def least_capability(needs: Requirements) -> tuple[str, bool]:
    """The least compute capability, and whether that is firm: said outright, or following from the CUDA version."""
    if needs.compute_capability is not None:
        return needs.compute_capability.value, firm(needs.compute_capability)
    if needs.cuda is not None and (known := least_for_cuda(needs.cuda.value)):
        return known, firm(needs.cuda)
    return CURRENT_CAPABILITY, False


def least_for_cuda(version: str) -> str:
    """The least compute capability that a CUDA release still serves; "" where that is not known."""
    major = version_of(version)[:1]
    return _LEAST_FOR_CUDA.get(min(major[0], max(_LEAST_FOR_CUDA)), "") if major else ""


def version_of(text: str) -> tuple[int, ...]:
    """`12.4` → (12, 4); what is no number ends it."""
    parts: list[int] = []
    for part in text.strip().lstrip("=<>~^ v").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits or len(digits) > 9:
            break
        parts.append(int(digits))
        if digits != part:
            break
    return tuple(parts)


def _check(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    if offer.gpus < 1 and not (offer.cpus or offer.memory_bytes):
        yield Shortfall(f"whether {offer.machine_type} has a GPU is not known", unknown=True)
        return
    if offer.gpus < 1:
        yield Shortfall("It has no GPU, and one is needed.", weight=9, flag="--gpu no")
        return
    yield from _vendor(needs, offer)
    yield from _capability(needs, offer)
    yield from _number_and_memory(needs, offer)


def _vendor(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    wanted, has = wanted_vendors(needs), offer.gpu_vendor.casefold()
    if not has:
        if wanted:
            yield Shortfall(f"who made the GPUs of {offer.machine_type} is not known", unknown=True)
    elif wanted and has not in wanted:
        said = next(one for one in (needs.gpu_vendor, needs.cuda, needs.rocm, needs.compute_capability) if one)
        names = " or ".join(vendor_name(one) for one in wanted)
        text = f"Its GPUs are made by {vendor_name(has)}, and {names} is needed."
        yield Shortfall(text, rules_out=firm(said), weight=5, flag=f"--gpu-vendor {has}")
    elif not wanted and has != "nvidia":
        text = f"Its GPUs are made by {vendor_name(has)}; nothing says whose are needed, and NVIDIA is assumed."
        yield Shortfall(text, rules_out=False)


def vendor_name(vendor: str) -> str:
    names = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel", "apple": "Apple", "tpu": "Google (TPU)"}
    return names.get(vendor.casefold(), vendor)


def _capability(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    if offer.gpu_vendor.casefold() not in ("", "nvidia"):
        return
    least, is_firm = least_capability(needs)
    if not offer.compute_capability:
        if needs.compute_capability is not None:
            yield Shortfall(f"the compute capability of {offer.machine_type} is not known", unknown=True)
        return
    if version_of(offer.compute_capability) >= version_of(least):
        return
    why = f"CUDA {needs.cuda.value} needs" if needs.cuda and not needs.compute_capability else "the work needs"
    why = why if is_firm else "current frameworks need" if not needs.compute_capability else "the estimate is"
    text = f"Its GPUs have compute capability {offer.compute_capability}, and {why} {least}."
    flag = f"--compute-capability {offer.compute_capability}"
    yield Shortfall(text, rules_out=is_firm, weight=3, flag=flag)


def _number_and_memory(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    count, one = wanted_count(needs), needs.vram_bytes.value if needs.vram_bytes else 0
    counted, sized = firm(needs.gpu_count), firm(needs.vram_bytes)
    has, total = offer.gpu_memory_bytes, offer.gpus * offer.gpu_memory_bytes
    if one and not has:
        yield Shortfall(f"how much memory the GPUs of {offer.machine_type} have is not known", unknown=True)
    if one and has and not counted and one > SPLIT_ABOVE and has < one * NOMINAL:
        yield from _split(offer, one, sized)
        return
    if offer.gpus < count:
        enough = bool(one and total >= one * count * NOMINAL)
        sentence = f"It has {_gpus(offer.gpus)}, and {count} {'are needed' if counted else 'is the estimate'}."
        if enough:
            together = f"their memory together, {as_size(total)}, does"
            sentence = f"It has {_gpus(offer.gpus)} instead of {count}; {together}."
        said_by_hand = needs.gpu_count is not None and needs.gpu_count.origin is Origin.USER
        gross = offer.gpus < count * GROSS
        out = said_by_hand or (not enough and (counted or gross))
        yield Shortfall(sentence, rules_out=out, flag=f"--gpus {offer.gpus}")
    if one and has and has < one * NOMINAL:
        verb = "needed" if sized else "the estimate"
        text = f"A GPU of it has {as_size(has)} of memory, and {as_size(one)} is {verb}."
        flag = f"--vram {has >> 30}G"
        yield Shortfall(text, rules_out=sized or has < one * GROSS, flag=flag)


def _split(offer: Offer, wanted: int, sized: bool) -> Iterator[Shortfall]:
    total = offer.gpus * offer.gpu_memory_bytes
    if total >= wanted * NOMINAL:
        text = f"{as_size(wanted)} of GPU memory takes the {_gpus(offer.gpus)} of {offer.machine_type} together"
        yield Shortfall(f"{text}: the work must split it", unknown=True)
        return
    verb = "needed" if sized else "the estimate"
    have = "has" if offer.gpus == 1 else "together have"
    text = f"Its {_gpus(offer.gpus)} {have} {as_size(total)} of memory, and {as_size(wanted)} is {verb}."
    flag = f"--vram {offer.gpu_memory_bytes >> 30}G"
    yield Shortfall(text, rules_out=sized or total < wanted * GROSS, flag=flag)


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"
