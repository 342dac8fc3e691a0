# SPDX-License-Identifier: Apache-2.0
"""Kubernetes manifests, Helm values, Ray and SkyPilot files: devices and memory that a pod or a node asks for."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_FOLDER = late(
    r"(?i)(?:^|/)(?:k8s|kubernetes|kube|manifests?|helm|charts?|deploy(?:ment)?s?|kustom\w*|skypilot|ray)(?:/|[\w-]*\.ya?ml$)"
)
_DEVICE = late(r"^\s{0,40}[\"']?(nvidia\.com/gpu|amd\.com/gpu)[\"']?\s?:\s?[\"']?(\d{1,2})\b")
_ACCELERATOR = late(r"^\s{0,12}accelerators:\s{0,3}[\"'{]?\s?([A-Za-z][\w-]{1,20})\s?:\s?(\d{1,2})")
_MEMORY = late(r"^\s{2,40}memory:\s?[\"']?(\d{1,6}(?:\.\d)?)\s?([MGT])i?[\"']?\s{0,4}(?:#.*)?$")
_UNITS = {"M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_MOST = 60


def _read(repo: Repo, claims: Claims) -> None:
    _read_memory(repo, claims)
    for file in _wants(repo.paths):
        for number, line in enumerate(repo.lines(file)[:1500], 1):
            found = _DEVICE.match(line) or _ACCELERATOR.match(line)
            if not found or int(found[2]) == 0:
                continue
            near = file.count("/") <= 1 and not in_the_way(file)
            claims.add("gpu", GpuNeed.OPTIONAL, Origin.CONTAINER, file=file, line=number, rule="kubernetes.devices",
                       confidence=0.5 if near else 0.4, text=line)  # fmt: skip
            claims.add("gpu_count", int(found[2]), Origin.CONTAINER, file=file, line=number,
                       rule="kubernetes.devices", confidence=0.5 if near else 0.4, text=line)  # fmt: skip
            vendor = "amd" if found[1].startswith("amd") else "nvidia"
            claims.add("gpu_vendor", vendor, Origin.CONTAINER, file=file, line=number, rule="kubernetes.devices",
                       confidence=0.5, text=line)  # fmt: skip
            break


def _read_memory(repo: Repo, claims: Claims) -> None:
    """The most that one file gives, a limit mostly. Several files that differ are of several programs: a hint."""
    told: list[tuple[int, str, int, str]] = []
    for file in [path for path in _wants(repo.paths) if not in_the_way(path)]:
        matches = ((number, line, _MEMORY.match(line)) for number, line in enumerate(repo.lines(file)[:1500], 1))
        sizes = [(int(float(at[1]) * _UNITS[at[2]]), file, number, line) for number, line, at in matches if at]
        if sizes and max(sizes)[0] >= 64 << 20:
            told.append(max(sizes))
    if told:
        size, file, number, line = max(told) if len(told) <= 2 else told[0]
        sure = 0.5 if len(told) <= 2 and file.count("/") <= 2 else 0.4
        claims.add("memory_bytes", size, Origin.CONTAINER, file=file, line=number, rule="kubernetes.memory",
                   confidence=sure, text=line)  # fmt: skip


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".yaml", ".yml") if "/" not in path or _FOLDER.search(path)]
    return sorted(found, key=lambda path: (path.count("/"), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read)
