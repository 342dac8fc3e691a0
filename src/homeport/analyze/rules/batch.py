# SPDX-License-Identifier: Apache-2.0
"""Scripts for Slurm, PBS and LSF: what a job asks its cluster for, per node.

One script, or several that agree, speak for the whole; a collection of different jobs gives hints only."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind

_SCRIPTS = (".slurm", ".sbatch", ".pbs", ".lsf", ".job", ".qsub", ".sl")
_SHELL = late(r"(?i)slurm|sbatch|pbs|batch|submit|job|train|run|launch|scaling|cluster|mpi")
_LINE = late(r"^\s{0,4}#(SBATCH|PBS|BSUB|\$)\s(.*)")
_GIB = 1 << 30
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": _GIB, "t": _GIB << 10, "": 1 << 20}
_PATTERNS: tuple[tuple[Field, re.Pattern[str]], ...] = (
    ("gpu_count", late(r"(?:--gres[= ]gpu:|--gpus(?:-per-node|-per-task)?[= ])(?:[A-Za-z]\w{0,30}:)?(\d{1,2})"
                             r"|ngpus=(\d{1,2})|-gpu\s\"?num=(\d{1,2})")),
    ("memory_bytes", late(r"--mem[= ](\d{1,6})([KMGT]?)B?\b|\bmem=(\d{1,6})([kmgtKMGT]?)[bB]?\b")),
    ("cpus", late(r"--cpus-per-task[= ](\d{1,3})\b|(?<!\w)-c[= ](\d{1,3})\b|ncpus=(\d{1,3})|ppn=(\d{1,3})")),
    ("hours", late(r"(?:--time|-t|walltime)[= ](?:(\d{1,2})-)?(\d{1,3}):(\d{2})(?::(\d{2}))?")),
)  # fmt: skip
_BARE_GPU = late(r"--gres[= ]gpu(?::[A-Za-z]\w{0,30})?\s*$|--constraint[= ]gpu|--partition[= ]\S{0,20}gpu")
_MOST = 60
_SEVERAL, _MOST_OF, _USUAL = 4, 0.75, 0.52
"""So many jobs are a collection; what three of four ask for is what one needs to run them."""


@dataclass(slots=True)
class _Job:
    file: str
    line: int
    text: str
    values: dict[Field, tuple[float, int, str]] = field(default_factory=dict)


def _read(repo: Repo, claims: Claims) -> None:
    jobs = [job for file in _wants(repo.paths) if (job := _job(repo, file))]
    if not jobs:
        return
    alike = len(jobs) <= 3
    many = len(jobs) >= 3 or any(job.file.count("/") == 0 for job in jobs)
    first = jobs[0]
    claims.add("kind", Kind.HPC, Origin.CODE, file=first.file, line=first.line, rule="batch.job",
               confidence=0.55 if many else 0.4, text=first.text)  # fmt: skip
    with_gpu = [job for job in jobs if "gpu_count" in job.values]
    if with_gpu:
        all_ = len(with_gpu) == len(jobs)
        number = with_gpu[0].values["gpu_count"]
        near = 1.0 if with_gpu[0].file.count("/") <= 1 else 0.75
        claims.add("gpu", GpuNeed.NEEDED if all_ else GpuNeed.OPTIONAL, Origin.CODE, file=with_gpu[0].file,
                   line=number[1], rule="batch.gpu", confidence=round((0.65 if all_ else 0.55) * near, 3),
                   text=number[2])  # fmt: skip
    for name, _ in _PATTERNS:
        told = [(job, job.values[name]) for job in jobs if name in job.values and job.values[name][0] > 0]
        if not told:
            continue
        job, (value, line, text) = told[0]
        counted = Counter(item[0] for _, item in told)
        agree = len(counted) == 1
        usual, times = counted.most_common(1)[0]
        if len(jobs) >= _SEVERAL and times >= len(told) * _MOST_OF and times >= len(jobs) / 2:
            job, (value, line, text) = next(one for one in told if one[1][0] == usual)
            sure = _USUAL
        else:
            sure = 0.6 if agree and (alike or len(told) == len(jobs)) and job.file.count("/") <= 1 else 0.4
            sure = 0.3 if name == "memory_bytes" and len(jobs) > 1 and not agree else sure
        whole = int(value) if name in ("gpu_count", "memory_bytes") else float(value)
        claims.add(name, whole, Origin.CODE, file=job.file, line=line, rule=f"batch.{name.partition('_')[0]}",
                   confidence=sure, text=text)  # fmt: skip


def _job(repo: Repo, file: str) -> _Job | None:
    job: _Job | None = None
    for number, line in enumerate(repo.lines(file)[:200], 1):
        found = _LINE.match(line)
        if not found:
            continue
        job = job or _Job(file, number, line)
        for name, pattern in _PATTERNS:
            if match := pattern.search(found[2]):
                job.values.setdefault(name, (_number(name, match), number, line))
        if _BARE_GPU.search(found[2]):
            job.values.setdefault("gpu_count", (0.0, number, line))
    return job


def _number(name: Field, match: re.Match[str]) -> float:
    parts = [part for part in match.groups() if part]
    if name == "memory_bytes":
        size = int(parts[0]) * _UNITS[parts[1].lower() if len(parts) > 1 else ""]
        return float(size) if size >= 64 << 20 else 0.0
    if name == "hours":
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        if match[1] is None and match[4] is None:  # minutes:seconds
            return round(hours / 60 + minutes / 3600, 2)
        return round(days * 24 + hours + minutes / 60 + seconds / 3600, 2)
    return float(parts[0])


@once
def _wants(paths: Paths) -> list[str]:
    named = paths.ending(*_SCRIPTS)
    shells = [path for path in paths.ending(".sh") if _SHELL.search(path)]
    key = lambda path: (path.count("/"), path)  # noqa: E731
    return (sorted(named, key=key) + sorted(shells, key=key))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read)
