# SPDX-License-Identifier: Apache-2.0
"""What dependencies imply: a GPU, a vendor, a CUDA version, memory. `analyze.libraries` holds the tables."""

from __future__ import annotations

from homeport.analyze import libraries
from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.rules.python.declared import PYPROJECT, Declared, Dependency, requirements_in
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_MOST_MEMORY_FIRST = sorted(libraries.MEMORY.items(), key=lambda item: -item[1])


def read(repo: Repo, claims: Claims, declared: Declared) -> None:
    for one in declared.dependencies:
        _claim_gpu(claims, one)
        vendor = libraries.NOT_NVIDIA.get(one.name)
        if vendor and not one.extra:
            claims.add("gpu_vendor", vendor, Origin.DEPENDENCY, file=one.file, line=one.line,
                       rule="python.vendor-dependency", confidence=0.6, text=one.text)  # fmt: skip
    _read_builds(repo, claims)
    for name, size in _MOST_MEMORY_FIRST:
        found = next((one for one in declared.dependencies if one.name == name and not one.extra), None)
        if found:
            claims.add("memory_bytes", size, Origin.DEPENDENCY, file=found.file, line=found.line,
                       rule="python.heavy-dependency", confidence=0.4, text=found.text)  # fmt: skip
            return


def _claim_gpu(claims: Claims, one: Dependency) -> None:
    """One that needs a GPU says so, if it is always installed; one that can use a GPU is a hint."""
    sure = libraries.needs_gpu(one.name)
    if not sure and one.name not in libraries.MAY_USE_GPU:
        return
    if one.extra and one.name in libraries.MAY_USE_GPU:
        sure, rule, need = 0.3, "gpu-capable-extra", GpuNeed.OPTIONAL
    elif one.extra:
        sure, rule, need = 0.55, "gpu-extra", GpuNeed.OPTIONAL
    elif sure:
        sure *= 0.7 if ";" in one.text else 1.0  # only on some systems
        rule, need = "gpu-dependency", GpuNeed.NEEDED
    else:
        sure, rule, need = 0.45, "gpu-capable-dependency", GpuNeed.OPTIONAL
    claims.add("gpu", need, Origin.DEPENDENCY, file=one.file, line=one.line, rule=f"python.{rule}", confidence=sure,
               text=one.text)  # fmt: skip


def _read_builds(repo: Repo, claims: Claims) -> None:
    """Wheels built for one CUDA version, or for none."""
    for file in [*requirements_in(repo.paths), PYPROJECT]:
        main = file in ("requirements.txt", PYPROJECT)
        builds = {libraries.cuda_build(line) for line in repo.lines(file) if "cu" in line} - {""}
        both = bool(builds) and any(libraries.cpu_build(line) for line in repo.lines(file) if "cpu" in line)
        choice = len({version.partition(".")[0] for version in builds}) > 1 or len(builds) > 2
        for number, line in enumerate(repo.lines(file), 1):
            if ("cu" not in line and "cpu" not in line) or line.lstrip().startswith("#"):
                continue
            if both and (libraries.cpu_build(line) or libraries.cuda_build(line)):
                _read_choice(claims, file, number, line, sure=0.48 if main else 0.4)
            elif main and libraries.cpu_build(line):
                claims.add("gpu", GpuNeed.NO, Origin.DEPENDENCY, file=file, line=number, rule="python.cpu-build",
                           confidence=0.7, text=line)  # fmt: skip
            elif version := libraries.cuda_build(line):
                sure = 0.4 if not main else 0.45 if choice else 0.65
                claims.add("gpu", GpuNeed.NEEDED, Origin.DEPENDENCY, file=file, line=number, rule="python.cuda-build",
                           confidence=sure, text=line)  # fmt: skip
                claims.add("cuda", version, Origin.DEPENDENCY, file=file, line=number, rule="python.cuda-build",
                           confidence=sure, text=line)  # fmt: skip


def _read_choice(claims: Claims, file: str, number: int, line: str, *, sure: float) -> None:
    """Builds with CUDA and without, of which one is installed: the CUDA version is that of the one."""
    claims.add("gpu", GpuNeed.OPTIONAL, Origin.DEPENDENCY, file=file, line=number, rule="python.build-choice",
               confidence=sure, text=line)  # fmt: skip
    if version := libraries.cuda_build(line):
        claims.add("cuda", version, Origin.DEPENDENCY, file=file, line=number, rule="python.build-choice",
                   confidence=sure + 0.04, text=line)  # fmt: skip
