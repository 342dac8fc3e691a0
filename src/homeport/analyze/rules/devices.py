# SPDX-License-Identifier: Apache-2.0
"""Programs that put their work on a GPU: with or without a way back to the CPU, by what stands in their text.

Python and notebooks; nothing is parsed, so that broken files count as well."""

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

_USES = late(
    r"\.cuda\(\s{0,2}(?:\)|\d|non_blocking|device|rank|local_rank|gpu)|\.to\(\s{0,2}[\"']cuda"
    r"|device\s{0,2}=\s{0,2}(?:torch\.device\()?[\"']cuda(?::\d)?[\"']"
    r"|torch\.cuda\.set_device\(|backend\s{0,2}=\s{0,2}[\"']nccl|init_process_group\(\s{0,2}[\"']nccl|@triton\.jit"
    r"|@cuda\.jit|^\s{0,4}import cupy|device_map\s{0,2}=\s{0,2}[\"']cuda|num_gpus\s{0,2}=\s{0,2}[1-9]",
    re.M,
)
_INSISTS = late(
    r"assert torch\.cuda\.is_available\(\)|if not torch\.cuda\.is_available\(\):\s{1,40}(?:raise|(?:sys\.)?exit)"
)
_INSISTED = late(r"assert torch\.cuda\.is_available\(\)|if not torch\.cuda\.is_available\(\)")
_CHOSEN = late(r"mps\.is_available|device_type\s?==|device\s?==")
"""Beside an assertion: it is made where that device was chosen."""
_GUARDS = late(
    r"cuda\.is_available\(\)|[\"']cpu[\"']|mps\.is_available|use_cuda|no[-_]cuda|is_cuda"
    r"|CUDA\.functional\(\)|device_map\s{0,2}=\s{0,2}[\"']auto"
)
_NCCL = late(r"init_process_group\(\s{0,12}(?:backend\s{0,2}=\s{0,2})?[\"']nccl[\"']")
_ELSEWHERE = late(r"(?i)gloo|is_available\(\)|use_cpu\b|no_cuda")
_ACCELERATOR = late(r"\"accelerator\":\s{0,2}\"(GPU|TPU)\"")
_MOST, _DEPTH = 150, 3


def _read(repo: Repo, claims: Claims) -> None:
    _read_python(repo, claims)
    _read_notebooks(repo, claims)


def _read_python(repo: Repo, claims: Claims) -> None:
    files = [path for path in _python(repo.paths) if repo.text(path)]
    using = [path for path in files if _USES.search(repo.text(path))]
    guarded = [path for path in files if "cuda.is_available()" in repo.text(path)]
    if not using:
        if guarded:
            _claim(
                repo, claims, guarded[0], GpuNeed.OPTIONAL, "device-choice", 0.5 if len(files) < 60 else 0.4, _GUARDS
            )
        return
    insisting = [path for path in files if _INSISTS.search(repo.text(path)) and not _CHOSEN.search(repo.text(path))]
    if insisting and len(files) < 60:
        _claim(repo, claims, insisting[0], GpuNeed.NEEDED, "device-insisted", 0.62, _INSISTED)
        return
    nccl = [path for path in files if "/" not in path and _always_talks(repo, path)]
    if nccl and len(files) < 60 and not any(_ELSEWHERE.search(repo.text(path)) for path in nccl):
        _claim(repo, claims, nccl[0], GpuNeed.NEEDED, "gpus-talk", 0.58, _NCCL)  # to one another, by nothing else
        return
    bare = [path for path in using if not _GUARDS.search(repo.text(path))]
    share = len(using) / len(files)
    if len(bare) * 2 >= len(using) and len(bare) > len(guarded) and share >= 0.12:
        _claim(repo, claims, bare[0], GpuNeed.NEEDED, "device", min(0.52 + 0.03 * len(bare), 0.65), _USES)
    elif share >= 0.06:
        _claim(repo, claims, using[0], GpuNeed.OPTIONAL, "device-choice", 0.55, _USES)
    else:
        _claim(repo, claims, using[0], GpuNeed.OPTIONAL, "device-somewhere", 0.3, _USES)


def _always_talks(repo: Repo, path: str) -> bool:
    """Whether it joins other GPUs whatever its arguments: not under an `if`."""
    lines = repo.lines(path)
    at = next((number for number, line in enumerate(lines) if _NCCL.search(line)), -1)
    if at < 0:
        return False
    inside = len(lines[at]) - len(lines[at].lstrip())
    for line in reversed(lines[:at]):
        before = len(line) - len(line.lstrip())
        if line.strip() and before < inside:
            if line.lstrip().startswith(("if ", "elif ", "else:")):
                return False
            inside = before
    return True


def _read_notebooks(repo: Repo, claims: Claims) -> None:
    books = [path for path in _notebooks(repo.paths) if repo.text(path)]
    for path in books:
        said = next(((number, match) for number, line in enumerate(repo.lines(path), 1)
                     if (match := _ACCELERATOR.search(line))), None)  # fmt: skip
        if said and said[1][1] == "GPU":
            whole = len(books) <= 2 and path.count("/") == 0
            claims.add("gpu", GpuNeed.NEEDED if whole else GpuNeed.OPTIONAL, Origin.CODE, file=path, line=said[0],
                       rule="devices.notebook", confidence=0.6 if whole else 0.4, text=said[1][0])  # fmt: skip
            return


def _claim(
    repo: Repo, claims: Claims, path: str, need: GpuNeed, rule: str, sure: float, pattern: re.Pattern[str]
) -> None:
    line = next((number for number, text in enumerate(repo.lines(path), 1) if pattern.search(text)), 0)
    claims.add("gpu", need, Origin.CODE, file=path, line=line, rule=f"devices.{rule}", confidence=round(sure, 3),
               text=repo.line(path, line))  # fmt: skip


@once
def _python(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".py", depth=_DEPTH) if not in_the_way(path)]
    return sorted(found, key=lambda path: (path.count("/"), path))[:_MOST]


@once
def _notebooks(paths: Paths) -> list[str]:
    return sorted(paths.ending(".ipynb"), key=lambda path: (path.count("/"), path))[:12]


def _wants(paths: Sequence[str]) -> list[str]:
    return _python(paths) + _notebooks(paths)


RULES = Ruleset(wants=_wants, read=_read)
