# SPDX-License-Identifier: Apache-2.0
"""What `select_node_type` of EnvAgent-plus is given, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homeport.model.evidence import Inferred
from homeport.model.plan import Offer
from homeport.model.requirements import GpuNeed, Requirements

GIB = 1024**3


def requirements_as_values(needs: Requirements) -> dict[str, Any]:
    """The ten names of its first decision, and more of ours. Sizes in GiB; None where nothing says so.

    `memory_gb` is `ram_gb` under the name that its guide uses. An optional GPU is not required; `gpu` tells them apart.
    """
    python = needs.language and needs.language.value.casefold() == "python"
    return {
        "cpu_cores": _value(needs.cpus),
        "ram_gb": _gib(needs.memory_bytes),
        "memory_gb": _gib(needs.memory_bytes),
        "gpu_required": needs.gpu.value is GpuNeed.NEEDED,
        "gpu_memory_gb": _gib(needs.vram_bytes),
        "disk_gb": _gib(needs.disk_bytes),
        "os_type": _value(needs.os_family) or "linux",
        "os_version": _value(needs.os_version),
        "cuda_required": _value(needs.cuda),
        "python_version": _value(needs.language_version) if python else None,
        "special_requirements": _special(needs),
        "gpu": str(needs.gpu.value),
        "gpu_count": _value(needs.gpu_count),
        "gpu_vendor": _value(needs.gpu_vendor),
        "rocm_required": _value(needs.rocm),
        "compute_capability": _value(needs.compute_capability),
        "kind": None if needs.kind is None else str(needs.kind.value),
        "port": _value(needs.port),
    }


def chosen_by_name(answer: object, fitting: Sequence[Offer]) -> Offer | None:
    """The first in the ranking's order of that machine type, or of (site, machine type); None if there is none.

    A site is a region by its short name, `uc`, or as Chameleon's own catalogue writes it, `CHI@UC`.
    """
    match answer:
        case str():
            site, machine = "", answer
        case (str(site), str(machine)):
            pass
        case _:
            return None
    return next((one for one in fitting if one.machine_type == machine and _at(one.region, site)), None)


def _at(region: str, site: str) -> bool:
    return not site or site.casefold().rpartition("@")[2] == region.casefold().rpartition("@")[2]


def _special(needs: Requirements) -> list[str]:
    told = [f"shared memory {_gib(needs.shared_memory_bytes)} GiB"] if needs.shared_memory_bytes else []
    return [*told, *(needs.system_packages.value if needs.system_packages else ())]


def _value(found: Inferred[Any] | None) -> Any:
    return None if found is None else found.value


def _gib(found: Inferred[int] | None) -> float | None:
    return None if found is None else round(found.value / GIB, 3)
