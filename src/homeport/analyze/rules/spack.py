# SPDX-License-Identifier: Apache-2.0
"""Spack: recipes (`package.py`) and environments (`spack.yaml`), read as text. A variant that is off is a choice."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind

_ENVIRONMENTS = ("spack.yaml", ".spack/spack.yaml", "spack/spack.yaml", "env/spack.yaml", "scripts/spack/spack.yaml")
_RECIPE = late(r"^class\s\w{1,80}\(([^)\n]{0,300})\)", re.M)
_VARIANT = late(
    r"\bvariant\(\s{0,20}[\"'](cuda|rocm|hip|gpu|openacc|sycl)[\"'][^)]{0,300}?\bdefault\s?=\s?(True|False"
    r"|[\"']\w{1,10}[\"'])"
)
_DEPENDS = late(r"\bdepends_on\(\s{0,20}[\"']((?:cuda|hip|mpi)\b[^\"']{0,60})[\"']([^)]{0,200})\)")
_SINCE = late(r"cuda@(\d{1,2}(?:\.\d{1,2})?)")
_SPEC = late(r"^\s{0,12}-\s{1,3}[\"']?([a-z][\w-]{0,60}(?:@[\w.:-]{1,30})?[^\n#]{0,200})$", re.M)
_MOST = 100
_ARCH = late(r"cuda_arch=(\d{2,3})\b")


def _read(repo: Repo, claims: Claims) -> None:
    for file in [one for one in _recipes(repo.paths) if _RECIPE.search(repo.text(one))][:1]:
        _read_recipe(repo, claims, file)
    for file in [one for one in _ENVIRONMENTS if repo.text(one)]:
        _read_environment(repo, claims, file)


def _read_recipe(repo: Repo, claims: Claims, file: str) -> None:
    for found, line in repo.hits(file, _RECIPE, _MOST):
        if "CudaPackage" in found[1] or "ROCmPackage" in found[1]:
            _add(repo, claims, "gpu", GpuNeed.OPTIONAL, "gpu-package", 0.52, file, line)
    for found, line in repo.hits(file, _VARIANT, _MOST):
        on = found[2] == "True"
        _add(repo, claims, "gpu", GpuNeed.OPTIONAL, "variant-on" if on else "variant", 0.55, file, line)
    for found, line in repo.hits(file, _DEPENDS, _MOST):
        chosen = "when" in found[2]
        if found[1].startswith("mpi"):
            _add(repo, claims, "kind", Kind.HPC, "mpi", 0.5 if chosen else 0.57, file, line)
            continue
        if not chosen:
            _add(repo, claims, "gpu", GpuNeed.NEEDED, "depends", 0.6, file, line)
        if since := _SINCE.match(found[1]):
            _add(repo, claims, "cuda", since[1], "depends", 0.45 if chosen else 0.55, file, line)


def _read_environment(repo: Repo, claims: Claims, file: str) -> None:
    """Specs as they are written: `+cuda` was switched on."""
    near_ = 1.0 if file.count("/") == 0 else 0.85
    for found, line in repo.hits(file, _SPEC, _MOST):
        spec = found[1].strip().rstrip("\"'")
        if re.search(r"\+(?:cuda|rocm)\b", spec) or re.match(r"(?:cuda|hip)(?:@|\s|$)", spec):
            amd = "+rocm" in spec or spec.startswith("hip")
            _add(repo, claims, "gpu", GpuNeed.NEEDED, "spec", 0.6 * near_, file, line)
            _add(repo, claims, "gpu_vendor", "amd" if amd else "nvidia", "spec", 0.52, file, line)
        if since := _SINCE.match(spec):
            _add(repo, claims, "cuda", since[1], "spec", 0.6 * near_, file, line)
        if (arch := _ARCH.search(spec)) and 30 <= int(arch[1]) <= 130:
            text = f"{int(arch[1]) // 10}.{int(arch[1]) % 10}"
            _add(repo, claims, "compute_capability", text, "spec", 0.6 * near_, file, line)
        if re.match(r"(?:openmpi|mpich|mvapich2?|intel-mpi|cray-mpich)\b", spec):
            _add(repo, claims, "kind", Kind.HPC, "spec", 0.55, file, line)


def _add(repo: Repo, claims: Claims, name: Field, value: object, rule: str, sure: float, file: str, line: int) -> None:
    claims.add(name, value, Origin.DEPENDENCY if name != "kind" else Origin.CODE, file=file, line=line,
               rule=f"spack.{rule}", confidence=round(sure, 3), text=repo.line(file, line))  # fmt: skip


@once
def _recipes(paths: Paths) -> list[str]:
    return sorted(paths.named("package.py", depth=5), key=near)[:4]


@once
def _wants(paths: Paths) -> list[str]:
    return [*(one for one in _ENVIRONMENTS if one in paths), *_recipes(paths)]


RULES = Ruleset(wants=_wants, read=_read, rank=62)
