# SPDX-License-Identifier: Apache-2.0
"""What `--gpu` may say: whether, how many, of whom, which model. A model stands for its properties."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.model.quantity import GPU_VENDORS, version_number
from homeport.model.requirements import GpuNeed
from homeport.plan.gpus import gpu_named

MOST_GPUS = 64
_NEEDS = {
    "no": GpuNeed.NO, "none": GpuNeed.NO, "false": GpuNeed.NO, "0": GpuNeed.NO, "optional": GpuNeed.OPTIONAL,
    "needed": GpuNeed.NEEDED, "yes": GpuNeed.NEEDED, "true": GpuNeed.NEEDED, "any": GpuNeed.NEEDED,
}  # fmt: skip
_BEFORE = re.compile(r"(\d{1,3})\s?[x×*]\s?(.+)", re.I)  # noqa: RUF001 (people paste it)
_AFTER = re.compile(r"(.+?)(?::|\s+[x×*]\s?)(\d{1,3})", re.I)  # noqa: RUF001
_SIZE = re.compile(r"(\d{1,4})\s?g(?:i?b)?", re.I)


@dataclass(frozen=True, slots=True)
class GpuWish:
    """`count` 0, `vram_bytes` 0 and "" are what was not said. A named model means at least its properties."""

    need: GpuNeed = GpuNeed.NEEDED
    count: int = 0
    vendor: str = ""
    vram_bytes: int = 0
    capability: str = ""

    def __str__(self) -> str:
        return str(self.need)


def gpu_wish(value: object) -> GpuWish:
    """`no`, `optional`, `needed`, `2`, `amd`, `A100`, `2xA100-40GB`, `H100:4`, `24GB`.

    Raises `ValueError` saying what was expected.
    """
    text = " ".join(str(value).split())[:100]
    if isinstance(value, GpuNeed) or text.casefold() in _NEEDS:
        return GpuWish(_NEEDS[text.casefold()])
    count, rest = _counted(text)
    if not 0 <= count <= MOST_GPUS:
        raise ValueError(f"expected at most {MOST_GPUS} GPUs of a machine")
    if not rest:
        return GpuWish(count=count)
    if rest.casefold() in GPU_VENDORS:
        return GpuWish(count=count, vendor=rest.casefold())
    if size := _SIZE.fullmatch(rest):
        return GpuWish(count=count, vram_bytes=int(size[1]) << 30)
    known = gpu_named(rest)
    if known is None:
        raise ValueError("expected no, optional, needed, a number, a vendor or a model, for example 2 or 2xA100-40GB")
    capability = version_number(known.compute_capability) if known.compute_capability else ""
    return GpuWish(GpuNeed.NEEDED, count, known.vendor, known.memory_bytes, capability)


def _counted(text: str) -> tuple[int, str]:
    if text.isascii() and text.isdigit() and len(text) <= 3:
        return int(text), ""
    if found := _BEFORE.fullmatch(text):
        return max(1, int(found[1])), found[2]
    if found := _AFTER.fullmatch(text):
        return max(1, int(found[2])), found[1]
    return 0, text
