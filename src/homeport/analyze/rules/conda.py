# SPDX-License-Identifier: Apache-2.0
"""Conda environments: Python's version, CUDA, and packages that need a GPU or are built without one."""

from __future__ import annotations

import re

from homeport.analyze import libraries
from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_FILE = late(r"(?i)(?:^|/)(?:conda[\w-]{0,20}|env(?:ironment)?[\w-]{0,20})\.ya?ml$")
_ITEM = late(r"\s{0,12}-\s{1,4}[\"']?(?:[\w-]{1,40}::)?([A-Za-z0-9][\w.-]{0,60})\s{0,2}([=<>!~].{0,60})?")
_CUDA = frozenset(
    ("cudatoolkit", "pytorch-cuda", "cuda-toolkit", "cuda-version", "cuda", "cudatoolkit-dev", "cuda-nvcc")
)


def _read(repo: Repo, claims: Claims) -> None:
    for place, file in enumerate(_wants(repo.paths)):
        main = place == 0 and file.count("/") <= 1
        _read_file(repo, claims, file, 1.0 if main else 0.6)


def _read_file(repo: Repo, claims: Claims, file: str, counts: float) -> None:
    def claim(field: Field, value: object, rule: str, confidence: float, number: int, line: str) -> None:
        claims.add(field, value, Origin.DEPENDENCY, file=file, line=number, rule=f"conda.{rule}",
                   confidence=round(confidence * counts, 3), text=line)  # fmt: skip

    for number, line in enumerate(repo.lines(file)[:1000], 1):
        found = _ITEM.match(line)
        if not found:
            continue
        name, rest = found[1].lower(), found[2] or ""
        version = re.search(r"\d{1,2}(?:\.\d{1,3})?", rest)
        if name in _CUDA and version:
            claim("cuda", version[0], "cuda", 0.75, number, line)
        if libraries.cpu_build(name) or "=cpu" in rest or "*cpu" in rest:
            claim("gpu", GpuNeed.NO, "cpu-build", 0.7, number, line)
        elif sure := libraries.needs_gpu(name):
            claim("gpu", GpuNeed.NEEDED, "gpu-dependency", sure, number, line)
        elif name in libraries.MAY_USE_GPU:
            claim("gpu", GpuNeed.OPTIONAL, "gpu-capable-dependency", 0.45, number, line)
            if build := libraries.cuda_build(rest):
                claim("gpu", GpuNeed.NEEDED, "cuda-build", 0.65, number, line)
                claim("cuda", build, "cuda-build", 0.65, number, line)
        if name == "python" and version:
            claim("language_version", version[0], "python", 0.8, number, line)


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".yaml", ".yml", depth=3) if _FILE.search(path)]
    return sorted(found, key=lambda path: (in_the_way(path), path.count("/"), len(path), path))[:6]


RULES = Ruleset(wants=_wants, read=_read)
