# SPDX-License-Identifier: Apache-2.0
"""C, C++ and Fortran: the standard they are compiled by, what they are built on, programs and libraries.

Whether a compiler for GPUs is needed at all is read with the builds; here it is what a build may be switched to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, near, share_of
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_CMAKE = "CMakeLists.txt"
_MARKS = (_CMAKE, "meson.build", "configure.ac", "Makefile", "makefile", "GNUmakefile", "SConstruct", "conanfile.txt")
_CLEAR = (_CMAKE, "meson.build", "configure.ac")
_CODE = (".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".cu", ".cuh", ".f", ".f90", ".f95")
_STANDARDS = (
    ("cmake-standard", 0.8, late(r"(?i)^\s{0,12}set\s?\(\s{0,4}CMAKE_(?:CXX|CUDA)_STANDARD\s+(\d{2})\b", re.M)),
    ("cmake-feature", 0.75, late(r"\bcxx_std_(\d{2})\b")),
    ("meson-standard", 0.8, late(r"cpp_std=(?:c|gnu)\+\+(\d{2})\b")),
    ("flag-standard", 0.7, late(r"-std=(?:c|gnu)\+\+(\d[\dabxyz])\b")),
)
_DRAFTS = {"0x": "11", "1y": "14", "1z": "17", "2a": "20", "2b": "23"}
_MPI = late(r"(?im)^\s{0,12}find_package\s?\(\s{0,4}MPI\b([^)]{0,120})\)")
_MPI_OPTION = late(r"(?i)\b(?:option|if)\s?\(\s{0,4}\w{0,40}MPI")
_CUDA = late(r"(?im)^\s{0,12}find_package\s?\(\s{0,4}(?:CUDA|CUDAToolkit)\s+(\d{1,2}\.\d)\b[^)]{0,80}\bREQUIRED\b")
_ARCHITECTURES = late(
    r"(?i)\bset\s?\(\s{0,4}CMAKE_CUDA_ARCHITECTURES\s+[\"']?(\d{2,3}(?:(?:-\w{4,8})?[\s;]{1,4}\d{2,3}){0,12})"
)
_BACKENDS: tuple[tuple[str, GpuNeed, float, str, re.Pattern[str]], ...] = (
    ("kokkos", GpuNeed.OPTIONAL, 0.5, "", late(r"(?im)^\s{0,12}find_package\s?\(\s{0,4}Kokkos\b")),
    ("raja", GpuNeed.OPTIONAL, 0.5, "", late(r"(?im)^\s{0,12}find_package\s?\(\s{0,4}RAJA\b")),
    ("opencl", GpuNeed.OPTIONAL, 0.5, "", late(r"(?im)^\s{0,12}find_package\s?\(\s{0,4}OpenCL\b")),
    ("sycl", GpuNeed.OPTIONAL, 0.52, "", late(r"(?i)find_package\s?\(\s{0,4}(?:IntelSYCL|AdaptiveCpp"
                                                    r"|hipSYCL)\b|-fsycl\b")),
    ("openacc", GpuNeed.OPTIONAL, 0.52, "nvidia", late(r"(?i)find_package\s?\(\s{0,4}OpenACC\b|\s-acc(?:="
                                                             r"\w{1,10})?\s|-fopenacc\b")),
    ("offload", GpuNeed.OPTIONAL, 0.5, "", late(r"-fopenmp-targets=|-mp=gpu\b|-foffload=|--offload-arch=")),
    ("hip-option", GpuNeed.OPTIONAL, 0.52, "", late(r"(?i)\boption\s?\(\s{0,4}\w{0,40}(?:HIP|ROCM|SYCL)\b")),
    ("switch", GpuNeed.OPTIONAL, 0.52, "nvidia", late(r"(?i)\bset\s?\(\s{0,4}\w{0,40}_(?:GPU_BACKEND"
                                                            r"|USE_CUDA|ENABLE_CUDA)\b")),
    ("meson-cuda", GpuNeed.OPTIONAL, 0.5, "nvidia", late(r"add_languages\(\s{0,4}'cuda'"
                                                               r"|dependency\(\s{0,4}'cuda'")),
)  # fmt: skip
_PROGRAM = late(r"(?im)^\s{0,12}(?:cuda_)?add_executable\s?\(\s{0,4}([\w.$\{\}-]{1,80})|^\s{0,8}executable\s?\(")
_LIBRARY = late(r"(?im)^\s{0,12}add_library\s?\(\s{0,4}([\w.$\{\}:-]{1,80})|^\s{0,8}(?:shared_|static_)?library\s?\(")
_TEST = late(r"(?i)test|example|bench|fuzz|demo")
_LISTENS = (
    ("listen", 0.55, late(r"\.listen\(\s{0,3}\"[\w.]{1,40}\"\s{0,3},\s{0,3}(\d{2,5})\b")),
    ("listen", 0.5, late(r"\bhtons\(\s{0,3}(\d{2,5})\s{0,3}\)")),
    ("port-constant", 0.5, late(r"#define\s{1,4}\w{0,30}(?:SERVER|LISTEN|DEFAULT)_?\w{0,12}PORT\s{1,4}(\d{"
                                      r"2,5})\b")),
)  # fmt: skip
_TELLING = late(r"(?i)(?:^|/)(?:main|server|http\w{0,12}|listen\w{0,8}|config|options)\.(?:c|cc|cpp|cxx|h|hpp)$")


def _read(repo: Repo, claims: Claims) -> None:
    marks = [one for one in _MARKS if one in repo]
    if not marks or not any(not in_the_way(path) for path in repo.paths.ending(*_CODE)):
        return
    if marks[0] not in _CLEAR and share_of(repo, _CODE) < 0.2:
        return  # a Makefile runs anything
    voice = Voice(repo, claims, Ecosystem.CPP)
    share = voice.begin(marks[0], _CODE, most=0.65)  # beside a Python or Node project it is an extension of that
    builds = [file for file in _builds(repo.paths) if repo.text(file)]
    _read_standard(voice, builds)
    if share >= 0.2:
        _read_backends(voice, builds)
        _read_mpi(voice, builds)
    listens = voice.search(_code(repo.paths), _LISTENS) if share >= 0.5 else ""
    near_ = [file for file in builds if file.count("/") <= 1 and not file.endswith(".cmake")]
    _read_kind(voice, near_, share, listens)


def _read_standard(voice: Voice, builds: Sequence[str]) -> None:
    for file in builds:
        for rule, sure, pattern in _STANDARDS:
            for found, line in voice.hits(file, pattern, ("#",), most=1):
                version = _DRAFTS.get(found[1], found[1])
                voice.say("language_version", version, rule, sure - file.count("/") / 10, file, line, Origin.DEPENDENCY)
                return


def _read_backends(voice: Voice, builds: Sequence[str]) -> None:
    for rule, need, sure, vendor, pattern in _BACKENDS:
        for file in builds:
            if hit := next(voice.hits(file, pattern, ("#",), most=1), None):
                voice.gpu(need, f"{rule}-backend", sure if file.count("/") <= 1 else 0.45, file, hit[1], vendor)
                break
    for file in builds:
        for found, line in voice.hits(file, _CUDA, ("#",), most=1):
            voice.say("cuda", found[1], "cuda-minimum", 0.55, file, line)
        for found, line in voice.hits(file, _ARCHITECTURES, ("#",), most=1):
            least = min(int(one) for one in re.findall(r"\d{2,3}", found[1]))
            if 30 <= least <= 130:
                voice.say("compute_capability", f"{least // 10}.{least % 10}", "cuda-architectures", 0.55, file, line)


def _read_mpi(voice: Voice, builds: Sequence[str]) -> None:
    """MPI that a build insists on is work for a cluster; one that can be switched on is less."""
    for file in builds:
        for found, line in voice.hits(file, _MPI, ("#",), most=1):
            choice = bool(_MPI_OPTION.search(voice.repo.text(file)))
            insists = "REQUIRED" in found[1].upper() and not choice
            voice.kind(Kind.HPC, "mpi", 0.6 if insists else 0.53, file, line)
            return


def _read_kind(voice: Voice, builds: Sequence[str], share: float, listens: str) -> None:
    if share < 0.5:
        return

    def named(pattern: re.Pattern[str], word: str = "") -> tuple[str, int]:
        for file in builds:
            for found, line in voice.hits(file, pattern, ("#",)):
                if not _TEST.search(found[0]) and word in found[0].lower():
                    return file, line
        return "", 0

    (program, at), (library, below) = named(_PROGRAM), named(_LIBRARY)
    if library:  # its own program, or one that helps to build it?
        program, at = named(_PROGRAM, voice.called)
    kernels = any(not in_the_way(path) for path in voice.repo.paths.ending(".cu", ".hip"))
    if listens and program:
        voice.kind(Kind.SERVICE, "listens", 0.53, listens)
    elif program:
        voice.kind(Kind.HPC if kernels else Kind.CLI, "program", 0.53, program, at)
    elif library:
        voice.kind(Kind.LIBRARY, "library", 0.55, library, below)


@once
def _builds(paths: Paths) -> list[str]:
    below = [path for path in paths.named(_CMAKE, "Makefile", depth=2) if "/" in path and not in_the_way(path)]
    scripts = [path for path in paths.ending(".cmake", depth=2) if not in_the_way(path)]
    return [one for one in _MARKS if one in paths] + sorted(below, key=near)[:14] + sorted(scripts, key=near)[:14]


@once
def _code(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(*_CODE, depth=3) if _TELLING.search(path) and not in_the_way(path)]
    return sorted(found, key=near)[:10]


@once
def _wants(paths: Paths) -> list[str]:
    return [*_builds(paths), *_code(paths)] if any(one in paths for one in _MARKS) else []


RULES = Ruleset(wants=_wants, read=_read, rank=60)
