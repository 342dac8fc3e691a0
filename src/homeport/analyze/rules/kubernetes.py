# SPDX-License-Identifier: Apache-2.0
"""Kubernetes manifests, Helm values, Ray and SkyPilot files: devices that a pod or a node asks for."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_FOLDER = re.compile(
    r"(?i)(?:^|/)(?:k8s|kubernetes|kube|manifests?|helm|charts?|deploy(?:ment)?s?|kustom\w*|skypilot|ray)(?:/|[\w-]*\.ya?ml$)"
)
_DEVICE = re.compile(r"^\s{0,40}[\"']?(nvidia\.com/gpu|amd\.com/gpu)[\"']?\s?:\s?[\"']?(\d{1,2})\b")
_ACCELERATOR = re.compile(r"^\s{0,12}accelerators:\s{0,3}[\"'{]?\s?([A-Za-z][\w-]{1,20})\s?:\s?(\d{1,2})")
_MOST = 60


def _read(repo: Repo, claims: Claims) -> None:
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


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".yaml", ".yml") if "/" not in path or _FOLDER.search(path)]
    return sorted(found, key=lambda path: (path.count("/"), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read)
