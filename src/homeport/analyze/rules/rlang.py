# SPDX-License-Identifier: Apache-2.0
"""R: packages, renv, plumber services and Shiny applications."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, near, share_of
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_DESCRIPTION, _LOCK = "DESCRIPTION", "renv.lock"
_PLUMBER = ("plumber.R", "api.R", "app/plumber.R", "entrypoint.R")
_MINIMUM = late(r"\bR\s{0,2}\(\s{0,2}>=\s{0,2}(\d\.\d{1,2}(?:\.\d{1,2})?)\s{0,2}\)")
_LOCKED = late(r"\"R\"\s{0,3}:\s{0,3}\{\s{0,20}\"Version\"\s{0,3}:\s{0,3}\"(\d\.\d{1,2}(?:\.\d{1,2})?)\"")
_PORTS = (
    ("listen", 0.65, late(r"(?:pr_run|\$run|runApp|shinyApp|serve)\([^()]{0,200}?\bport\s{0,3}=\s{0,3}(\d{"
                                r"2,5})\b")),
    ("option-port", 0.6, late(r"shiny\.port\s{0,3}=\s{0,3}(\d{2,5})\b")),
    ("env-port-default", 0.7, late(r"Sys\.getenv\(\s{0,3}[\"']PORT[\"']\s{0,3},\s{0,3}[\"']?(\d{2,5})\b")),
)  # fmt: skip
_ENV = late(r"Sys\.getenv\(\s{0,3}[\"']([A-Z][A-Z0-9_]{2,99})[\"']")
_ROUTES = late(r"^#[*'] @(?:get|post|put|delete|use)\s", re.M)
_SHINY = late(r"\bshinyApp\(|\bshinyServer\(|\bshinyUI\(|\brunApp\(")
_NEED_GPU = late(r"^\s{0,8}(gputools|gpuR|cudaBayesreg|Rth|WideLM)\b", re.M)
_MAY_USE_GPU = late(r"^\s{0,8}(torch|tensorflow|keras3?|tfdatasets|luz|lightgbm|OpenCL)\b", re.M)
_BIND = "host='0.0.0.0', port=as.integer(Sys.getenv('PORT'))"


def _read(repo: Repo, claims: Claims) -> None:
    first = next((one for one in (_DESCRIPTION, _LOCK) if one in repo), "") or next(iter(_code(repo.paths)), "")
    package = bool(re.search(r"^Package:\s", repo.text(_DESCRIPTION), re.M))
    if not first or (not package and _LOCK not in repo and share_of(repo, (".r",)) < 0.5):
        return
    voice = Voice(repo, claims, Ecosystem.R)
    share = voice.begin(first, (".r", ".rmd"))
    for found, line in voice.hits(_LOCK, _LOCKED, most=1):
        voice.version(found[1], "renv-lock", 0.85, _LOCK, line, minimum=False)
    for found, line in voice.hits(_DESCRIPTION, _MINIMUM, most=1):
        voice.version(found[1], "depends", 0.85, _DESCRIPTION, line)
    if package:
        for pattern, need in ((_NEED_GPU, GpuNeed.NEEDED), (_MAY_USE_GPU, GpuNeed.OPTIONAL)):
            for _, line in voice.hits(_DESCRIPTION, pattern, most=1):
                voice.gpu(need, "gpu-package", 0.52, _DESCRIPTION, line)
    listens = voice.search(_code(repo.paths), _PORTS, _ENV, ())
    served = _read_start(voice, 0.5 + 0.2 * share)
    if served or (listens and not package):
        voice.kind(Kind.SERVICE, "serves", 0.58, served or listens)
    elif package:
        voice.kind(Kind.LIBRARY, "package", 0.57, _DESCRIPTION)


def _read_start(voice: Voice, sure: float) -> str:
    """The program text holds no word of the repository but a file name of a fixed list."""
    repo = voice.repo
    for file in _PLUMBER:
        if _ROUTES.search(repo.text(file)):
            voice.start(("Rscript", "-e", f"plumber::pr_run(plumber::pr('{file}'), {_BIND})"), "plumber", sure + 0.15,
                        file)  # fmt: skip
            return file
    if _SHINY.search(repo.text("app.R")) or ("server.R" in repo and "ui.R" in repo):
        file = "app.R" if "app.R" in repo else "server.R"
        voice.start(("Rscript", "-e", f"shiny::runApp('.', {_BIND})"), "shiny", sure + 0.15, file)
        return file
    return ""


@once
def _code(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".r", depth=1) if path.rpartition("/")[0] in ("", "app", "src", "inst")]
    return sorted(found, key=near)[:16]


@once
def _wants(paths: Paths) -> list[str]:
    return [one for one in (_DESCRIPTION, _LOCK) if one in paths] + _code(paths)


RULES = Ruleset(wants=_wants, read=_read, looks_for=("plumber.R, or a Shiny application in app.R",))
