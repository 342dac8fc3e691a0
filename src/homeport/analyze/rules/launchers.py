# SPDX-License-Identifier: Apache-2.0
"""Files by which training is launched and models are packed: DeepSpeed, Accelerate, FSDP, Cog, dev containers."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind

_CONFIG = late(r"(?i)(?:deepspeed|accelerate|fsdp|zero[-_]?[123]|ds_?config)[\w.-]{0,40}\.(?:json|ya?ml)$")
_ZERO = late(
    r"\"zero_optimization\"|\"stage\":\s?[123]|zero_stage:|fsdp_config:|distributed_type:\s?(?:FSDP|DEEPSPEED|MULTI_GPU)"
)
_PROCESSES = late(r"^num_processes:\s?(\d{1,2})\b")
_CPU = late(r"(?i)^use_cpu:\s?true")
_COG = "cog.yaml"
_DEV = ".devcontainer/devcontainer.json"
_HOST = "hostfile"
_MOST = 20


def _read(repo: Repo, claims: Claims) -> None:
    configs = [path for path in _wants(repo.paths) if _CONFIG.search(path)]
    for file in configs:
        _read_config(repo, claims, file)
    _read_cog(repo, claims)
    _read_dev(repo, claims)
    for number, line in enumerate(repo.lines(_HOST)[:50], 1):
        if found := re.match(r"\S{1,100}\s+slots=(\d{1,2})\b", line):
            claims.add("gpu_count", int(found[1]), Origin.CODE, file=_HOST, line=number, rule="launchers.slots",
                       confidence=0.48, text=line)  # fmt: skip
            break


def _read_config(repo: Repo, claims: Claims, file: str) -> None:
    lines = list(enumerate(repo.lines(file)[:300], 1))
    if any(_CPU.match(line) for _, line in lines):
        return
    said = next(((number, line) for number, line in lines if _ZERO.search(line)), None)
    near = file.count("/") <= 2 and not in_the_way(file)
    if said:
        claims.add("gpu", GpuNeed.NEEDED, Origin.CODE, file=file, line=said[0], rule="launchers.distributed",
                   confidence=0.5 if near else 0.36, text=said[1])  # fmt: skip
        claims.add("kind", Kind.TRAINING, Origin.CODE, file=file, line=said[0], rule="launchers.distributed",
                   confidence=0.5 if near else 0.4, text=said[1])  # fmt: skip
    for number, line in lines:
        if (found := _PROCESSES.match(line)) and int(found[1]) > 1:
            claims.add("gpu_count", int(found[1]), Origin.CODE, file=file, line=number, rule="launchers.processes",
                       confidence=0.5 if near else 0.4, text=line)  # fmt: skip


def _read_cog(repo: Repo, claims: Claims) -> None:
    """Cog says outright whether it needs a GPU."""
    for number, line in enumerate(repo.lines(_COG)[:200], 1):
        if found := re.match(r"\s{1,8}(gpu|cuda|python_version):\s?[\"']?([\w.]{1,10})", line):
            key, value = found[1], found[2].lower()
            if key == "gpu":
                need = GpuNeed.NEEDED if value == "true" else GpuNeed.NO
                claims.add("gpu", need, Origin.CONTAINER, file=_COG, line=number, rule="launchers.cog", confidence=0.8,
                           text=line)  # fmt: skip
            elif key == "cuda":
                claims.add("cuda", value, Origin.CONTAINER, file=_COG, line=number, rule="launchers.cog",
                           confidence=0.8, text=line)  # fmt: skip
            else:
                claims.add("language_version", value, Origin.CONTAINER, file=_COG, line=number, rule="launchers.cog",
                           confidence=0.7, text=line)  # fmt: skip


def _read_dev(repo: Repo, claims: Claims) -> None:
    for number, line in enumerate(repo.lines(_DEV)[:300], 1):
        if found := re.search(r"\"gpu\":\s?(true|\"optional\")|\"--gpus\"", line):
            sure = 0.36 if found[1] and "optional" in found[1] else 0.45
            claims.add("gpu", GpuNeed.OPTIONAL, Origin.CONTAINER, file=_DEV, line=number, rule="launchers.devcontainer",
                       confidence=sure, text=line)  # fmt: skip
        elif found := re.search(r"\"(cpus|memory|storage)\":\s?\"?(\d{1,4})(gb|tb)?\"?", line):
            sure = 0.55 if any(path.endswith(".ipynb") for path in repo.paths.within(0)) else 0.45
            _claim_host(claims, found, number, line, sure)


def _claim_host(claims: Claims, found: re.Match[str], number: int, line: str, sure: float) -> None:
    """`hostRequirements` are those of somebody who develops it; of notebooks everybody is."""
    value = int(found[2]) * (1024 if found[3] == "tb" else 1)
    if found[1] == "cpus":
        claims.add("cpus", float(value), Origin.CONTAINER, file=_DEV, line=number, rule="launchers.devcontainer",
                   confidence=sure, text=line)  # fmt: skip
    else:
        name = "memory_bytes" if found[1] == "memory" else "disk_bytes"
        claims.add("memory_bytes" if name == "memory_bytes" else "disk_bytes", value << 30, Origin.CONTAINER, file=_DEV,
                   line=number, rule="launchers.devcontainer", confidence=sure, text=line)  # fmt: skip


@once
def _wants(paths: Paths) -> list[str]:
    configs = [path for path in paths.ending(".json", ".yaml", ".yml") if _CONFIG.search(path)]
    known = [path for path in (_COG, _DEV, _HOST) if path in paths]
    return known + sorted(configs, key=lambda path: (path.count("/"), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read)
