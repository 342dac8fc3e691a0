# SPDX-License-Identifier: Apache-2.0
"""What is compiled: CMake and Make files, kernels in `.cu` and `.hip` files, extensions built by a setup.py."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_CMAKE = "CMakeLists.txt"
_MAKE = late(r"(?i)^(?:gnu)?makefile(?:[._-]\w{1,20})?$|\.mk$")
_SOURCES = tuple(
    ".c .cc .cpp .cxx .cu .hip .h .hpp .cuh .py .rs .go .java .js .ts .jl .f90 .f .F90 .cl .kt .rb .cs".split()
)
_KERNELS = (".cu", ".cuh", ".hip")
_LANGUAGE = late(
    r"(?i)^\s{0,12}(?:enable_language\s{0,2}\(\s{0,4}(cuda|hip)\b|project\s{0,2}\([^)]{0,200}\b(cuda"
    r"|hip)\b[^)]{0,40}\)"
                       r"|find_package\s{0,2}\(\s{0,4}(cuda|cudatoolkit|hip)\b[^)]{0,80}\brequired\b)")  # fmt: skip
_OPTION = late(
    r"(?i)^\s{0,12}(?:option\s{0,2}\(\s{0,4}\w{0,40}(?:cuda|gpu|hip|rocm)\w{0,40}"
    r"|include\s{0,2}\(\s{0,2}checklanguage|check_language\s{0,2}\(\s{0,2}cuda)"
)
_IF = late(r"(?i)^\s{0,20}(if|foreach|function|macro)\s{0,2}\(")
_END_IF = late(r"(?i)^\s{0,20}end(?:if|foreach|function|macro)\s{0,2}\(")
_NVCC = late(r"(?:^|[\s=/({])(nvcc|hipcc)\b|-lcudart|\$\(NVCC\)")
_EXTENSION = late(r"\bCUDAExtension\(|\bCppExtension\(")


def _read(repo: Repo, claims: Claims) -> None:
    _read_kernels(repo, claims)
    _read_cmake(repo, claims)
    for file in [path for path in _wants(repo.paths) if _MAKE.search(path.rpartition("/")[2])]:
        _read_make(repo, claims, file)
    _read_setup(repo, claims)


def _read_kernels(repo: Repo, claims: Claims) -> None:
    """By how much of the code they are. A project of kernels needs a GPU, one with some can use one."""
    sources = repo.paths.ending(*_SOURCES)
    kernels = repo.paths.ending(*_KERNELS)
    own = [path for path in kernels if not in_the_way(path)]
    if not kernels:
        return
    share = len(kernels) / max(len(sources), 1)
    if len(own) / max(len(sources), 1) >= 0.3 or share >= 0.45:
        need, sure = GpuNeed.NEEDED, 0.55
    elif own:
        need, sure = GpuNeed.OPTIONAL, 0.5 if share >= 0.03 else 0.35
    else:
        need, sure = GpuNeed.OPTIONAL, 0.2
    if len(own) * 50 < len(sources) and len(sources) > 100 and need is GpuNeed.OPTIONAL:
        sure = 0.3
    first = (own or kernels)[0]
    claims.add("gpu", need, Origin.CODE, file=first, line=0, rule="builds.kernels", confidence=sure,
               text=f"{len(kernels)} of {len(sources)} source files are GPU kernels")  # fmt: skip
    if need is GpuNeed.NEEDED:
        vendor = "amd" if first.endswith(".hip") else "nvidia"
        claims.add("gpu_vendor", vendor, Origin.CODE, file=first, line=0, rule="builds.kernels", confidence=0.5)


def _read_cmake(repo: Repo, claims: Claims) -> None:
    depth, options = 0, 0
    for number, line in enumerate(repo.lines(_CMAKE)[:3000], 1):
        if _END_IF.match(line):
            depth = max(depth - 1, 0)
        elif _IF.match(line):
            depth += 1
        if line.lstrip().startswith("#"):
            continue
        found = _LANGUAGE.match(line)
        options += bool(_OPTION.match(line))
        if found or _OPTION.match(line):
            always = bool(found) and depth == 0 and not options
            claims.add("gpu", GpuNeed.NEEDED if always else GpuNeed.OPTIONAL, Origin.CODE, file=_CMAKE, line=number,
                       rule="builds.cmake-language" if always else "builds.cmake-option",
                       confidence=0.75 if always else 0.55, text=line)  # fmt: skip


def _read_make(repo: Repo, claims: Claims, file: str) -> None:
    """A compiler for GPUs in a Makefile: all that is built needs it only where nothing else is compiled."""
    lines = [
        (number, line) for number, line in enumerate(repo.lines(file)[:2000], 1) if not line.lstrip().startswith("#")
    ]
    with_gpu = [(number, line) for number, line in lines if _NVCC.search(line)]
    if not with_gpu or file.count("/") > 2:
        return
    if (found := with_gpu[0]) and _under_automake(lines, found[0]):
        claims.add("gpu", GpuNeed.OPTIONAL, Origin.CODE, file=file, line=found[0], rule="builds.make-condition",
                   confidence=0.3, text=found[1])  # fmt: skip
        return
    optional = any(re.search(
        r"(?i)^\s{0,8}(?:ifeq|ifdef|ifneq|ifndef)\b.*(?:cuda|gpu|nvcc|hip)|no cuda|without cuda", line)
                   for _, line in lines)  # fmt: skip
    near = 1.0 if file.count("/") <= 1 and not in_the_way(file) else 0.7
    number, line = with_gpu[0]
    need, sure = (GpuNeed.OPTIONAL, 0.5) if optional else (GpuNeed.NEEDED, 0.55)
    claims.add("gpu", need, Origin.CODE, file=file, line=number, rule="builds.make-compiler",
               confidence=round(sure * near, 3), text=line)  # fmt: skip


def _under_automake(lines: Sequence[tuple[int, str]], wanted: int) -> bool:
    """Whether a line stands between automake's `if` and `endif`: what configure found decides."""
    depth = 0
    for number, line in lines:
        if number == wanted:
            break
        depth += bool(re.match(r"if\s+!?\w+\s*$", line)) - bool(re.match(r"endif\b", line))
    return depth > 0


def _read_setup(repo: Repo, claims: Claims) -> None:
    line = next((number for number, text in enumerate(repo.lines("setup.py"), 1) if _EXTENSION.search(text)), 0)
    if not line:
        return
    text = repo.text("setup.py")
    choice = bool(
        re.search(
            r"CUDA_HOME is None|CUDA_HOME is not None|is_available\(\)|SKIP_CUDA|FORCE_|WITH_CUDA|os\.getenv", text
        )
    )
    if "CUDAExtension(" in text:
        need, sure = (GpuNeed.OPTIONAL, 0.55) if choice else (GpuNeed.NEEDED, 0.7)
        claims.add("gpu", need, Origin.CODE, file="setup.py", line=line, rule="builds.extension", confidence=sure,
                   text=repo.line("setup.py", line))  # fmt: skip


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in (_CMAKE, "setup.py") if path in paths]
    named = [path for path in paths.holding("makefile", ".mk", depth=2) if _MAKE.search(path.rpartition("/")[2])]
    return found + sorted(named, key=lambda path: (path.count("/"), in_the_way(path), path))[:12]


RULES = Ruleset(wants=_wants, read=_read)
