# SPDX-License-Identifier: Apache-2.0
"""What the name of a GPU says: vendor, memory, compute capability. The table is `facts/gpus.json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from homeport.model.facts import SEVERAL
from homeport.model.plan import Offer

_LONGEST = 200
_PUNCTUATION = re.compile(r"[^a-z0-9.+]+")
_SIZE = re.compile(r"(?<![a-z0-9.])(\d{1,3}) ?g(?:i?b)?(?![a-z0-9])")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One model. `memory_bytes` is of one GPU: the size its name gives, else the one assumed for that model.

    `vendor` is nvidia, amd or intel; `compute_capability` is NVIDIA's, "8.0", "" for others; `architecture` is a
    family ("ampere") or, for AMD, the name its compilers know ("gfx90a").
    """

    name: str
    vendor: str
    memory_bytes: int
    compute_capability: str
    architecture: str


@dataclass(frozen=True, slots=True)
class _Row:
    """`digits` of its name must be in a text before its pattern is worth compiling: most never are."""

    gpu: Gpu
    gib: tuple[int, ...]
    digits: str
    match: str


def gpu_named(text: str) -> Gpu | None:
    """The GPU that `text` names: "A100", "NVIDIA A100-SXM4-80GB", "8xH100", "GV100GL [Tesla V100 PCIe 32GB]".

    For names, not for prose. Of several the first counts; None where nothing known is named. Only the first 200
    characters are read.
    """
    plain = _PUNCTUATION.sub(" ", text[:_LONGEST].lower()).strip()
    best: tuple[int, int, _Row] | None = None
    for row in _table():
        found = _pattern(row.match).search(plain) if row.digits in plain else None
        if found is not None and (best is None or (found.start(1), -found.end(1)) < best[:2]):
            best = (found.start(1), -found.end(1), row)
    if best is None:
        return None
    start, end, row = best
    return replace(row.gpu, memory_bytes=_said(plain, start, -end, row.gib) << 30)


def with_gpu_facts(offer: Offer) -> Offer:
    """The offer with what its GPU's name tells and it does not say itself; of several models the least of each.

    A vendor or a capability that not all models share is left empty, or is the lowest.
    """
    if not offer.gpus or not offer.gpu_model:
        return offer
    known = [gpu_named(model) for model in offer.gpu_model.split(SEVERAL)]
    gpus = [gpu for gpu in known if gpu is not None]
    if not gpus or len(gpus) < len(known):
        return offer
    vendors = {gpu.vendor for gpu in gpus}
    names = list(dict.fromkeys(gpu.name for gpu in gpus))
    return replace(
        offer,
        gpu_model=SEVERAL.join(names),
        gpu_vendor=offer.gpu_vendor or (vendors.pop() if len(vendors) == 1 else ""),
        gpu_memory_bytes=offer.gpu_memory_bytes or min(gpu.memory_bytes for gpu in gpus),
        compute_capability=offer.compute_capability or min((gpu.compute_capability for gpu in gpus), key=_version),
    )


def _said(plain: str, start: int, end: int, sizes: tuple[int, ...]) -> int:
    """GiB: the size beside the name if the model is sold with it, else the one assumed."""
    after = [int(found[1]) for found in _SIZE.finditer(plain, end)]
    before = [int(found[1]) for found in _SIZE.finditer(plain[:start]) if not plain[found.end() : start].strip()]
    return next((size for size in (*before, *after) if size in sizes), sizes[0])


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


@lru_cache(maxsize=1)
def _table() -> tuple[_Row, ...]:
    data = json.loads(files("homeport.plan.facts").joinpath("gpus.json").read_text(encoding="utf-8"))
    return tuple(
        _Row(
            Gpu(row["name"], row["vendor"], row["gib"][0] << 30, row["capability"], row["architecture"]),
            tuple(row["gib"]),
            "".join(re.findall(r"\d+", row["name"])[:1]),
            row["match"],
        )
        for row in data["rows"]
    )


@lru_cache(maxsize=256)
def _pattern(match: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z0-9.])(?:\d{{1,3}} ?x ?)?({match})s?(?![a-z0-9])")
