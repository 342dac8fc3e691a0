# SPDX-License-Identifier: Apache-2.0
"""Work for clusters beyond what job headers say plainly: modules loaded, `srun` and `mpirun`, other schedulers' ways
of asking, and workflow files of Nextflow and Snakemake."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind

_SCRIPT = (".slurm", ".sbatch", ".pbs", ".lsf", ".job", ".qsub", ".sl", ".sge", ".flux", ".cobalt")
_SHELL = late(r"(?i)slurm|sbatch|pbs|batch|submit|job|run|launch|scaling|cluster|mpi|env|module|setup|build")
_HEADER = late(r"^#(?:SBATCH|PBS|BSUB|\$|COBALT|flux:|FLUX:)\s", re.M)
_WORKFLOWS = ("nextflow.config", "main.nf", "Snakefile", "workflow/Snakefile", "snakefile", "conf/base.config")
_MIB, _GIB = 1 << 20, 1 << 30

_MODULE = late(r"^\s{0,8}(?:module|ml)\s{1,3}(?:load|add|purge;\s?module load)?\s{0,3}([^\n#;&|]{1,200})", re.M)
_CUDA_MODULE = late(r"(?i)\b(?:cuda(?:toolkit)?|CUDA|nvhpc-cuda)/(\d{1,2}\.\d{1,2})")
_ROCM_MODULE = late(r"(?i)\brocm/(\d\.\d{1,2}(?:\.\d)?)")
_MPIRUN = late(r"^[^#\n]{0,80}\b(?:mpirun|mpiexec|srun|aprun|jsrun)\b[^#\n]{0,120}", re.M)
_LAUNCHED = late(
    r"\bsrun\b[^\n]{0,160}\b(?:python3?|torchrun|accelerate|deepspeed|trl|vllm|bash|singularity|apptainer)\b"
)
"""By Slurm, without MPI."""
_RANKS = late(r"\b(?:mpirun|mpiexec)\b[^#\n]{0,60}?\s-(?:np|n)\s{0,2}(\d{1,4})\b")
_SRUN_GPU = late(r"^[^#\n]{0,60}\b(?:srun|salloc|sbatch)\b[^#\n]{0,160}?--(?:gres[= ]gpu|gpus(?:-per-\w{4,"
                       r"6})?[= ])(?::[A-Za-z]\w{0,30})?:?(\d{1,2})", re.M)  # fmt: skip
_GPU_HEADERS = (
    late(r"^#PBS\s[^\n]{0,120}?(?:\bgpus=|:ngpus=)(\d{1,2})", re.M),
    late(r"^#\$\s[^\n]{0,120}?-l\s[^\n]{0,60}?\bn?gpus?=(\d{1,2})", re.M),
    late(r"^#BSUB\s[^\n]{0,120}?ngpus_(?:physical|excl_p)=(\d{1,2})", re.M),
    late(r"^#(?:flux|FLUX):\s[^\n]{0,120}?(?:-g|--gpus-per-\w{4})[ =](\d{1,2})", re.M),
)
_HEADERS: tuple[tuple[Field, float, float, re.Pattern[str]], ...] = (
    ("memory_bytes", 0.5, _MIB, late(r"^#BSUB\s[^\n]{0,60}?-R\s[^\n]{0,40}?rusage\[mem=(\d{3,7})\b", re.M)),
    ("memory_bytes", 0.5, _GIB, late(r"^#\$\s[^\n]{0,60}?-l\s[^\n]{0,40}?(?:h_vmem"
                                           r"|mem_free)=(\d{1,4})[gG]", re.M)),
    ("cpus", 0.5, 1.0, late(r"^#\$\s[^\n]{0,60}?-pe\s\w{1,20}\s(\d{1,4})\b", re.M)),
    ("cpus", 0.45, 1.0, late(r"^#(?:SBATCH\s[^\n]{0,60}?--ntasks-per-node[= ]"
                                   r"|BSUB\s[^\n]{0,40}?-n\s)(\d{1,4})\b", re.M)),
    ("hours", 0.5, 1.0, late(r"^#\$\s[^\n]{0,60}?-l\s[^\n]{0,40}?h_rt=(\d{1,3}):\d\d:\d\d", re.M)),
    ("hours", 0.5, 1.0, late(r"^#BSUB\s[^\n]{0,60}?-W\s(\d{1,3}):\d\d\b", re.M)),
    ("hours", 0.5, 1 / 60, late(r"^#SBATCH\s[^\n]{0,60}?(?:--time|-t)[= ](\d{1,5})\s*$", re.M)),
)  # fmt: skip
_WORKFLOW: tuple[tuple[Field, float, re.Pattern[str]], ...] = (
    ("memory_bytes", _GIB, late(r"^\s{0,16}memory\s{0,3}=?\s{0,3}\{?[^\n]{0,20}?[\"']?(\d{1,4})\.?\s?G", re.M)),
    ("memory_bytes", _MIB, late(r"\bmem_mb\s{0,3}[=:]\s{0,3}(\d{3,7})\b")),
    (
        "cpus",
        1.0,
        late(r"^\s{0,16}(?:cpus|threads:?)\s{0,3}=?\s{0,20}\{?\s{0,4}(\d{1,3})\s*(?:\*[^\n]{0,40})?\}?\s*$", re.M),
    ),
)
_LABEL = late(r"\bwithLabel\s?:\s{0,4}[\"']?process_high[\"']?\s{0,4}\{((?:[^{}]{0,400}\{[^{}]{0,200}\}){0,8})")
"""By a convention of Nextflow's users: what most of the large steps get, those apart that need the most memory."""
_ACCELERATOR = late(
    r"^\s{0,16}accelerator\s{0,3}[= ]\s{0,3}(\d{1,2})\b|\b(?:nvidia_)?gpu\s{0,3}=\s{0,3}(["
    r"1-9])\b",
    re.M,
)


def _read(repo: Repo, claims: Claims) -> None:
    scripts = [file for file in _scripts(repo.paths) if repo.text(file)]
    jobs = [file for file in scripts if _HEADER.search(repo.text(file))]
    _read_headers(repo, claims, jobs)
    _read_commands(repo, claims, scripts)
    for file in [one for one in _WORKFLOWS if repo.text(one)]:
        _read_workflow(repo, claims, file)


def _read_headers(repo: Repo, claims: Claims, jobs: Sequence[str]) -> None:
    """What the plain job rules do not know; several jobs that differ give hints."""
    own = 1.0 if len(jobs) <= 2 else 0.8
    for name, sure, unit, pattern in _HEADERS:
        for found, file, line in _hits(repo, jobs, pattern):
            value = float(found[1]) * unit
            if value > 0:
                whole = int(value) if name == "memory_bytes" else round(value, 2)
                _add(repo, claims, name, whole, "header", sure * own, file, line)
            break
    for pattern in _GPU_HEADERS:
        for found, file, line in _hits(repo, jobs, pattern):
            if int(found[1]):
                need = GpuNeed.NEEDED if len(jobs) == 1 else GpuNeed.OPTIONAL
                _add(repo, claims, "gpu", need, "gpu-header", 0.55, file, line)
                _add(repo, claims, "gpu_count", int(found[1]), "gpu-header", 0.55 * own, file, line)
            break


def _read_commands(repo: Repo, claims: Claims, scripts: Sequence[str]) -> None:
    for found, file, line in _hits(repo, scripts, _SRUN_GPU):
        _add(repo, claims, "gpu", GpuNeed.OPTIONAL, "srun-gpu", 0.5, file, line)
        _add(repo, claims, "gpu_count", int(found[1]), "srun-gpu", 0.45, file, line)
        break
    for found, file, line in _hits(repo, scripts, _MPIRUN):
        if _LAUNCHED.search(found[0]):
            continue
        near_ = file.count("/") <= 1 and not in_the_way(file) and not file.startswith((".", "ci/"))
        _add(repo, claims, "kind", Kind.HPC, "mpirun", 0.53 if near_ else 0.4, file, line)
        break
    for found, file, line in _hits(repo, scripts, _RANKS):
        if int(found[1]) > 1:
            _add(repo, claims, "cpus", float(found[1]), "ranks", 0.4, file, line)
        break
    versions: tuple[tuple[Field, re.Pattern[str]], ...] = (("cuda", _CUDA_MODULE), ("rocm", _ROCM_MODULE))
    for name, pattern in versions:
        said = [(version[1], file, line) for found, file, line in _hits(repo, scripts, _MODULE)
                if (version := pattern.search(found[1]))]  # fmt: skip
        for wanted, file, line in said[:1]:
            near_ = file.count("/") <= 1 and not in_the_way(file) and len(scripts) <= 5
            agree = len({one for one, _, _ in said}) == 1
            _add(repo, claims, name, wanted, "module", 0.52 if near_ and agree else 0.4, file, line)


def _read_workflow(repo: Repo, claims: Claims, file: str) -> None:
    """The most that one step asks for; steps run one after another on one machine."""
    _add(repo, claims, "kind", Kind.DATA, "workflow", 0.56, file, 0)
    said: dict[Field, list[tuple[float, int]]] = {}
    for name, unit, pattern in _WORKFLOW:
        for found, _, line in _hits(repo, [file], pattern):
            said.setdefault(name, []).append((float(found[1]) * unit, line))
    if large := _LABEL.search(repo.text(file)):
        for name, unit, pattern in _WORKFLOW:
            if match := pattern.search(large[1]):
                line = repo.text(file).count("\n", 0, large.start(1) + match.start(1)) + 1
                said[name] = [(float(match[1]) * unit, line)]
    for name, values in said.items():
        value, line = max(values)
        sure = 0.52 if len({one for one, _ in values}) == 1 else 0.45  # of several steps some may never run
        if value > 0:
            _add(repo, claims, name, int(value) if name == "memory_bytes" else value, "workflow", sure, file, line)
    for _, _, line in _hits(repo, [file], _ACCELERATOR):
        _add(repo, claims, "gpu", GpuNeed.OPTIONAL, "workflow-gpu", 0.52, file, line)
        break


def _add(
    repo: Repo, claims: Claims, name: Field, value: object, rule: str, sure: float, file: str, line: int
) -> None:  # fmt: skip
    claims.add(name, value, Origin.CODE, file=file, line=line, rule=f"hpc.{rule}", confidence=round(sure, 3),
               text=repo.line(file, line))  # fmt: skip


def _hits(
    repo: Repo, files: Sequence[str], pattern: re.Pattern[str], most: int = 40
) -> Iterator[tuple[re.Match[str], str, int]]:
    for file in files:
        yield from ((found, file, line) for found, line in repo.hits(file, pattern, most))


@once
def _scripts(paths: Paths) -> list[str]:
    shells = [path for path in paths.ending(".sh", depth=3) if _SHELL.search(path.rpartition("/")[2])]
    return sorted(paths.ending(*_SCRIPT), key=near)[:30] + sorted(shells, key=near)[:30]


@once
def _wants(paths: Paths) -> list[str]:
    return [*(one for one in _WORKFLOWS if one in paths), *_scripts(paths)]


RULES = Ruleset(wants=_wants, read=_read, rank=61)
