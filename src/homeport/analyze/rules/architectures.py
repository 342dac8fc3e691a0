# SPDX-License-Identifier: Apache-2.0
"""Compute capability that kernels are built for: the least of those that builds and images name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin

_NAMES = frozenset(("CMakeLists.txt", "Makefile", "makefile", "setup.py", "Dockerfile", "build.sh", "setup.sh"))
_LIST = late(r"TORCH_CUDA_ARCH_LIST[\"']?\]?\s{0,2}[=:,\s]\s{0,2}[\"']?([\d.;+PTX\s]{3,80})")
_CMAKE = late(r"CMAKE_CUDA_ARCHITECTURES[\"']?[\s=]{1,3}[\"']?((?:\d{2,3}(?:-real|-virtual)?[;\s\"')]{1,3}){1,12})")
_CODES = late(r"(?:\bsm_|\bcompute_)(\d{2,3})a?\b")
_OLDEST, _NEWEST = 3.0, 15.0
_MOST = 12


def _read(repo: Repo, claims: Claims) -> None:
    for file in _wants(repo.paths):
        found = [(version, number, line) for number, line in enumerate(repo.lines(file)[:1500], 1)
                 if not line.lstrip().startswith("#") for version in _versions(line)]  # fmt: skip
        if found:
            version, number, line = min(found)
            near = 1.0 if file.count("/") <= 1 and not in_the_way(file) else 0.8
            claims.add("compute_capability", f"{version:.1f}", Origin.CODE, file=file, line=number,
                       rule="architectures.built", confidence=round(0.55 * near, 3), text=line)  # fmt: skip


def _versions(line: str) -> Iterator[float]:
    """8.0 for `8.0`, `80` and `sm_80`; nothing for what no GPU has."""
    said: list[float] = []
    if match := _LIST.search(line):
        said += [float(word) for word in re.findall(r"\d{1,2}\.\d", match[1])]
    if match := _CMAKE.search(line):
        said += [int(word) / 10 for word in re.findall(r"\d{2,3}", match[1])]
    if "sm_" in line or "compute_" in line:
        said += [int(word) / 10 for word in _CODES.findall(line)]
    yield from (version for version in said if _OLDEST <= version <= _NEWEST)


def _wants(paths: Sequence[str]) -> list[str]:
    found = [path for path in paths if path.rpartition("/")[2] in _NAMES and path.count("/") <= 2]
    return sorted(found, key=lambda path: (in_the_way(path), path.count("/"), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read, rank=60)
