# SPDX-License-Identifier: Apache-2.0
"""Julia: Project.toml, packages for GPUs, programs that serve."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.tomlfile import read_toml, table, text_of
from homeport.analyze.voice import Voice, near
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_PROJECT = "Project.toml"
_ENTRIES = ("server.jl", "app.jl", "main.jl", "api.jl", "run.jl", "src/main.jl", "src/server.jl", "bin/server.jl")
_PORTS = (
    ("env-port-default", 0.7, late(r"ENV\s{0,3},\s{0,3}\"PORT\"\s{0,3},\s{0,3}\"?(\d{2,5})\b")),
    ("listen", 0.6, late(r"\b(?:serve|up|listen|serveparallel)!?\(\s{0,3}(?:[\w.]{1,40}\s{0,3},\s{0,3})?"
                               r"(?:(?:\"[\w.:]{1,40}\"|host\s{0,3}=\s{0,3}\"[\w.:]{1,40}\")\s{0,3},\s{0,3})?(?:"
                               r"port\s{0,3}=\s{0,3})?(\d{2,5})\b")),
)  # fmt: skip
_ENV = late(r"\bENV\[\"([A-Z][A-Z0-9_]{2,99})\"\]")
_SERVES = late(r"^\s{0,8}(?:HTTP\.|Oxygen\.|Genie\.)?(?:serve|up|listen|loadapp)!?\(", re.M)
_GPU = late(r"^(CUDA|AMDGPU|Metal)\s{0,2}=\s{0,2}\"")
_VENDORS = {"CUDA": "nvidia", "AMDGPU": "amd", "Metal": "apple"}
_SERVERS = ("HTTP", "Genie", "Oxygen", "Mux", "Bukdu")


def _read(repo: Repo, claims: Claims) -> None:
    if _PROJECT not in repo:
        return
    voice = Voice(repo, claims, Ecosystem.JULIA)
    _read_gpu(voice)
    if not repo.paths.ending(".jl"):
        return
    share = voice.begin(_PROJECT, (".jl",))
    project = read_toml(repo.text(_PROJECT))
    if project is None:
        claims.warn(f"{_PROJECT} cannot be read as TOML; nothing was taken from it")
        project = {}
    wanted = text_of(table(project, "compat").get("julia"))
    if found := re.match(r"[\^~>= ]{0,4}(\d{1,2}(?:\.\d{1,2}){0,2})", wanted[:60]):
        voice.version(found[1], "compat", 0.85, _PROJECT, repo.find(_PROJECT, "julia"))
    deps = table(project, "deps")
    files = _code(repo.paths)
    listens = voice.search(files, _PORTS, _ENV, ("#",))
    entry = next((one for one in _ENTRIES if repo.text(one)), "")
    serving = next((one for one in _ENTRIES if _SERVES.search(repo.text(one))), "")
    package = "uuid" in project and "name" in project
    if serving or (entry and not package):
        at = serving or entry
        sure = 0.5 + 0.15 * share + (0.1 if serving else 0.0)
        voice.start(("julia", "--project=.", at), "program", sure, at)
    if "MPI" in deps:
        voice.kind(Kind.HPC, "mpi-package", 0.57, _PROJECT, repo.find(_PROJECT, "MPI"))
    if serving or (listens and any(one in deps for one in _SERVERS) and not package):
        voice.kind(Kind.SERVICE, "serves", 0.58, serving or listens)
    elif package and not entry:
        voice.kind(Kind.LIBRARY, "package", 0.55, _PROJECT)


def _read_gpu(voice: Voice) -> None:
    """A package under [deps] is always there, one under [weakdeps] only where the user loads it."""
    section = ""
    for number, line in enumerate(voice.repo.lines(_PROJECT)[:400], 1):
        if line.startswith("["):
            section = line.strip().strip("[]")
        elif (found := _GPU.match(line)) and section in ("deps", "weakdeps"):
            need = GpuNeed.OPTIONAL if section == "weakdeps" else GpuNeed.NEEDED
            vendor = _VENDORS[found[1]]
            sure = 0.52 if vendor == "nvidia" else 0.5  # where several are there
            voice.say("gpu", need, "gpu-package", 0.6, _PROJECT, number, Origin.DEPENDENCY)
            voice.say("gpu_vendor", vendor, "gpu-package", sure, _PROJECT, number, Origin.DEPENDENCY)


@once
def _code(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".jl", depth=1) if path.startswith(("src/", "bin/")) or "/" not in path]
    return sorted(found, key=lambda path: (path not in _ENTRIES, near(path)))[:16]


@once
def _wants(paths: Paths) -> list[str]:
    return [_PROJECT, *_code(paths)] if _PROJECT in paths else []


RULES = Ruleset(wants=_wants, read=_read, looks_for=("Project.toml beside a server.jl, app.jl or main.jl",))
