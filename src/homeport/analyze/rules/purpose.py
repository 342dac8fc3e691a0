# SPDX-License-Identifier: Apache-2.0
"""What sort of work it is by its README: what that says it is, and what it has people run first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.repo import Repo
from homeport.analyze.rules.documents import phrases
from homeport.analyze.rules.documents.choice import is_main
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import share_of
from homeport.model.evidence import Origin
from homeport.model.requirements import HINT, Kind

_RUNS = r"(?:python3?|torchrun|accelerate launch|deepspeed|bash|sh|uv run|mpirun)\b[^|;&#]{0,160}?"
_TRAINS = late(
    rf"(?i){_RUNS}(?<![a-z])(?:pre_?)?(?:train|fine_?tune|finetuning|sft|dpo|grpo)(?![a-z])\w{{0,30}}\.(?:py|sh)\b"
    r"|\s-m\s[\w.]{1,60}[._](?:train|pretrain|finetune|sft)\b"
)
_INFERS = late(
    rf"(?i){_RUNS}(?<![a-z])(?:inference|infer|generate|gen|sample|predict|txt2img|img2img|demo|chat|cli_demo|web_demo"
    r"|gradio|webui|example(?:_\w{0,20})?(?:chat|completion|inference)?)(?![a-z])\w{0,30}\.py\b"
    r"|\s-m\s[\w.]{1,60}[._](?:generate|chat|infer|inference|sample|demo)\b"
)
_CALLS = late(r"\.generate\(|\.chat\(|\bpipe(?:line)?\(|\.from_pretrained\(")
"""Inference, where nobody installs it to make these calls."""
_TOOL = late(
    r"(?i)\bcommand[- ]line (?:\w+ )?(?:tool|client|interface|utility|program|application|app|http client)\b"
    r"|\bcli (?:tool|client|utility|app)|\b(?:process|resource|system|log) (?:viewer|monitor)\b"
    r"|\bfor the (?:terminal|command line)\b|\bin the terminal\b"
)
_LIBRARY = late(r"(?i)\b(?:is|as) (?:[\w.,/+'-]{1,30} ){1,7}(?:library|framework|package|toolkit)\b")
_TRAINING = late(
    r"(?i)\b(?:harness|code|codebase|recipes?|scripts?|repository|repo) (?:\w+ ){0,3}(?:for|to) "
    r"(?:pre-?|fine-?)?(?:train|tun)(?:ing|e)?\b"
)
_CLUSTER = late(
    r"\bMPI\b|\bHPC\b|\bCFD\b|\bPDEs?\b|(?i:\bfluid dynamics|\bfinite[- ]element|\bsupercomput|\bpartial differential"
    r"|\bmolecular dynamics|\blattice[- ]boltzmann|\bparticle[- ]in[- ]cell|\bn-body\b|\bexascale|\bhydrodynamics"
    r"|\bhigh[- ]performance computing|\bspectral element)"
)
_MPI = late(r"^MPI\s?=|\bmpi4py\b|\bmpi\.h\b|\bmpif90\b|\bmpif77\b|\bMPI_C\b|\bpetsc4py\b", re.M)
_FORTRAN = (".f", ".f90", ".f95", ".for")
_COMPILED = (".c", ".cc", ".cpp", ".cxx", ".cu", ".f", ".f90", ".f95", ".for")
_PACKAGES = ("setup.py", "pyproject.toml", "setup.cfg", "Project.toml", "DESCRIPTION", "package.json", "pom.xml")
_PROGRAMS = ("setup.py", "setup.cfg", "pyproject.toml", "package.json")
_PROGRAM = late(r"console_scripts|^\[(?:project|tool\.poetry)\.scripts\]|\"bin\"\s{0,3}:", re.M)
_FIRST = 14
_SECTIONS = late(r"(?i)prepar|data ?set|download|convert|evaluat|test")


def _read(repo: Repo, claims: Claims) -> None:
    readme = _readme(repo.paths)
    if not readme:
        return
    told = repo.sentences(readme)
    learns = any(one.field == "gpu" and one.evidence.confidence >= 0.35 for one in claims.all)
    opening = [one for one in told if not one.code and not one.row and one.order <= _FIRST]
    by_mpi = any(_MPI.search(repo.text(file)) for file in _PACKAGES)
    if learns:
        _read_commands(repo, claims, readme, told)
    for kind, pattern, sure, holds in (
        (Kind.CLI, _TOOL, 0.572, _has_program(repo)),
        (Kind.TRAINING, _TRAINING, 0.562, learns),
        (Kind.LIBRARY, _LIBRARY, 0.582, any(file in repo for file in _PACKAGES)),
        (Kind.HPC, _CLUSTER, 0.583 if by_mpi else 0.545, by_mpi or share_of(repo, _COMPILED) >= 0.5),
    ):
        fortran = kind is Kind.HPC and share_of(repo, _FORTRAN) >= 0.5  # which is written for little else
        said = next((one for one in (told if fortran else opening) if pattern.search(one.text)), None)
        if said and holds:
            _claim(claims, kind, readme, said, "opening", sure)
    port = next((one.evidence for one in claims.all if one.evidence.rule == "configured.port"), None)
    if port and port.confidence >= HINT:
        claims.add("kind", Kind.SERVICE, Origin.CODE, file=port.file, line=port.line, rule="purpose.configured",
                   confidence=0.563, text=port.quote)  # fmt: skip


def _read_commands(repo: Repo, claims: Claims, readme: str, told: Sequence[Sentence]) -> None:
    """What it has people run first is what it is for, of what one does with a model."""
    package = any(file in repo for file in _PACKAGES)
    for one in told:
        if (
            one.code
            and not phrases.ASIDE.search(one.under)
            and not _SECTIONS.search(one.headings[-1] if one.headings else "")
        ):
            trains = _TRAINS.search(one.text)
            if trains or _INFERS.search(one.text) or (not package and _CALLS.search(one.text)):
                kind = Kind.TRAINING if trains else Kind.INFERENCE
                _claim(claims, kind, readme, one, "first-command", 0.585)
                return


def _has_program(repo: Repo) -> bool:
    """Whether installing it gives a command."""
    if any(_PROGRAM.search(repo.text(file)) for file in _PROGRAMS):
        return True
    return (
        "src/main.rs" in repo or "main.go" in repo or any(path.startswith(("src/bin/", "cmd/")) for path in repo.paths)
    )


def _claim(claims: Claims, kind: Kind, file: str, one: Sentence, rule: str, sure: float) -> None:
    claims.add("kind", kind, Origin.CODE, file=file, line=one.line, rule=f"purpose.{rule}", confidence=sure,
               text=one.text)  # fmt: skip


def _readme(paths: Paths) -> str:
    return next((path for path in paths.within(0) if is_main(path)), "")


@once
def _wants(paths: Paths) -> list[str]:
    return [file for file in dict.fromkeys((_readme(paths), *_PACKAGES)) if file and file in paths]


RULES = Ruleset(wants=_wants, read=_read, rank=89)
