# SPDX-License-Identifier: Apache-2.0
"""Go: go.mod, main packages, what they listen on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, near, share_of
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_MOD = "go.mod"
_PORTS = (
    ("env-port-default", 0.75, late(r"(?i)\bPORT\"\s{0,3},\s{0,3}\"?:?(\d{2,5})\b")),
    ("port-constant", 0.6, late(r"(?i)\b(?:default|http|server|listen)_?port\s{0,3}(?:int|string)?\s{0,3}:"
                                      r"?=\s{0,3}\"?:?(\d{2,5})\b")),
    ("listen", 0.7, late(r"ListenAndServe(?:TLS)?\(\s{0,3}\"[\w.]{0,40}:(\d{2,5})\"")),
    ("listen", 0.65, late(r"net\.Listen\(\s{0,3}\"tcp[46]?\"\s{0,3},\s{0,3}\"[\w.]{0,40}:(\d{2,5})\"")),
    ("listen", 0.65, late(r"\.(?:Run|Start|Listen)\(\s{0,3}\"[\w.]{0,40}:(\d{2,5})\"")),
    ("address", 0.6, late(r"\bAddr(?:ess)?\s{0,3}[:=]{1,2}\s{0,3}\"[\w.]{0,40}:(\d{2,5})\"")),
    ("flag", 0.7, late(r"(?i)\"(?:[\w.-]{0,30}[.-])?(?:port|addr|address|listen|bind|listen-address"
                             r"|http)\"\s{0,3},\s{0,3}(?:\"\w?\"\s{0,3},\s{0,3})?\"?(?:[\w.]{0,40}:)?(\d{2,5})\b")),
    ("flag-default", 0.65, late(r"(?:\.Default\(|\bValue:)\s{0,3}\"[\w.]{0,40}:(\d{2,5})\"")),
)  # fmt: skip
_GIN = late(r"\bgin\.(?:Default|New)\(\)")
_RUN = late(r"\.Run\(\s{0,3}\)")
_ENV = late(r"os\.(?:Getenv|LookupEnv)\(\s{0,3}\"([A-Z][A-Z0-9_]{1,99})\"")
_MAIN = late(r"^package main\b", re.M)
_ASIDE = late(r"^//\s?(?:go:build|\+build)\s+(?:ignore|tools)\b", re.M)
_REQUIRE = late(r"^\s{0,8}(?:require\s{1,3})?([\w.-]{1,60}\.[a-z]{2,12}/[\w./~-]{1,150})\s+v\d\S{0,80}\s*$", re.M)
_TELLING = late(
    r"(?i)(?:main|server?|serve|http|router?s?|routes|api|config|handlers?|listen|flags|options|app)[^/]{0,20}$"
)
_TEST = late(r"_test\.go$|\.pb\.go$|_gen(?:erated)?\.go$")
_COMMAND = late(r"cmd/[^/]{1,60}/[^/]{1,60}\.go")
_SERVING = late(r"(?i)(?:^|[-_])(?:server|serve|api|apiserver|web|daemon|gateway|agent|exporter)(?:$|[-_])|d$")
_SERVERS = ("gin-gonic/gin", "labstack/echo", "gofiber/fiber", "go-chi/chi", "gorilla/mux", "google.golang.org/grpc")
_COMMANDS = ("spf13/cobra", "urfave/cli", "alecthomas/kong", "jessevdk/go-flags", "charmbracelet/bubbletea")
_GPU = {
    "gorgonia.org/cu": GpuNeed.NEEDED, "github.com/mumax/3": GpuNeed.NEEDED, "github.com/barnex/cuda5": GpuNeed.NEEDED,
    "github.com/sugarme/gotch": GpuNeed.OPTIONAL, "github.com/yalue/onnxruntime_go": GpuNeed.OPTIONAL,
}  # fmt: skip
_CGO = late(r"#cgo\b[^\n]{0,200}-l(?:cudart|cublas|cudnn|nvrtc)\b")


def _read(repo: Repo, claims: Claims) -> None:
    if _MOD not in repo:
        _read_loose(repo, claims)
        return
    voice = Voice(repo, claims, Ecosystem.GO)
    share = voice.begin(_MOD, (".go",))
    _read_versions(voice)
    files = _code(repo.paths)
    required = {found[1]: line for found, line in voice.hits(_MOD, _REQUIRE, most=300)}
    listens = voice.search(files, _PORTS, _ENV)
    listens = listens or _gin(voice, files)
    _read_gpu(voice, files, required)
    programs = _programs(repo, files)
    _read_programs(voice, programs, share, listens)
    _read_kind(voice, programs, required, listens)


def _read_loose(repo: Repo, claims: Claims) -> None:
    """Without go.mod it cannot be built as it is: it is said what it is, not how it starts."""
    files = [file for file in _code(repo.paths) if "/" not in file and repo.text(file)]
    if not files or share_of(repo, (".go",)) < 0.5:
        return
    voice = Voice(repo, claims, Ecosystem.GO)
    voice.say("ecosystem", Ecosystem.GO, "files", 0.6, files[0])
    voice.search(files, _PORTS, _ENV)
    if not _programs(repo, files):
        voice.kind(Kind.LIBRARY, "no-main-package", 0.56, files[0])


def _read_versions(voice: Voice) -> None:
    for file, pattern, rule in (
        (_MOD, late(r"^go (\d{1,2}\.\d{1,3})", re.M), "mod-version"),
        (_MOD, late(r"^toolchain go(\d{1,2}\.\d{1,3})", re.M), "toolchain"),
        (".go-version", late(r"^(\d{1,2}\.\d{1,3})"), "version-file"),
    ):
        for found, line in voice.hits(file, pattern, most=1):
            sure = {"mod-version": 0.85, "toolchain": 0.8}.get(rule, 0.9)
            voice.version(found[1], rule, sure, file, line, minimum=file == _MOD)


def _gin(voice: Voice, files: Sequence[str]) -> str:
    """Without an address it listens on 8080."""
    for file in files:
        if _GIN.search(voice.repo.text(file)):
            for _, line in voice.hits(file, _RUN, ("//",), most=1):
                voice.port(8080, "gin-default", 0.6, file, line)
                return file
    return ""


def _read_gpu(voice: Voice, files: Sequence[str], required: dict[str, int]) -> None:
    for name, need in _GPU.items():
        if line := next((at for one, at in required.items() if one == name or one.startswith(name + "/")), 0):
            voice.gpu(need, "gpu-module", 0.6 if need is GpuNeed.NEEDED else 0.5, _MOD, line, "nvidia")
    for file in files:
        for _, line in voice.hits(file, _CGO, most=1):
            voice.gpu(GpuNeed.OPTIONAL, "cgo-cuda", 0.5, file, line, "nvidia")
            return


def _programs(repo: Repo, files: Sequence[str]) -> list[str]:
    """Folders of main packages, "" for the root, likeliest first."""
    mains = {file.rpartition("/")[0] for file in files if _is_main(repo.text(file))}
    folders = {folder for folder in mains if re.fullmatch(r"[\w.@+/-]{0,200}", folder)}
    module = re.search(r"^module\s+(\S{1,200})", repo.text(_MOD), re.M)
    name = re.sub(r"/v\d+$", "", module[1]).rpartition("/")[2] if module else ""

    def order(folder: str) -> tuple[bool, bool, bool, int, str]:
        last = folder.rpartition("/")[2]
        return folder != "", last != name, not _SERVING.search(last), folder.count("/"), folder

    return sorted(folders, key=order)


def _read_programs(voice: Voice, programs: Sequence[str], share: float, listens: str) -> None:
    for place, folder in enumerate(programs[:4]):
        sure = 0.55 + 0.2 * share - 0.1 * place - (0.05 if folder and len(programs) > 2 else 0)
        sure += 0.05 if listens and (not folder or listens.startswith(folder + "/")) else 0
        inside = [file for file in _code(voice.repo.paths) if file.rpartition("/")[0] == folder]
        file = next(one for one in inside if _is_main(voice.repo.text(one)))
        line = voice.repo.find(file, "func main(")
        voice.start(("go", "run", f"./{folder}" if folder else "."), "main-package", max(sure, 0.2), file, line)


def _read_kind(voice: Voice, programs: Sequence[str], required: dict[str, int], listens: str) -> None:
    def known(names: Sequence[str]) -> int:
        return next((line for one, line in required.items() if any(name in one for name in names)), 0)

    if not programs:
        voice.kind(Kind.LIBRARY, "no-main-package", 0.58, _MOD)
        return
    if listens and (known(_SERVERS) or not known(_COMMANDS) or voice.published):
        voice.kind(Kind.SERVICE, "listens", 0.545, listens)
    elif (line := known(_COMMANDS)) and not voice.published:
        voice.kind(Kind.CLI, "command-library", 0.56, _MOD, line)


def _is_main(text: str) -> bool:
    return bool(_MAIN.search(text)) and "func main()" in text and not _ASIDE.search(text)


@once
def _code(paths: Paths) -> list[str]:
    plain = [path for path in paths.ending(".go", depth=6) if not _TEST.search(path) and not in_the_way(path)]
    root = [path for path in plain if "/" not in path][:12]
    mains = [path for path in plain if path.count("/") <= 3 and (path.endswith("main.go") or _COMMAND.fullmatch(path))]
    telling = [path for path in plain if _TELLING.search(path)]
    return list(dict.fromkeys([*root, *sorted(mains, key=near)[:20], *sorted(telling, key=near)[:24]]))


@once
def _wants(paths: Paths) -> list[str]:
    if _MOD not in paths:
        return [path for path in _code(paths) if "/" not in path]
    return [path for path in (_MOD, ".go-version") if path in paths] + _code(paths)


RULES = Ruleset(wants=_wants, read=_read, looks_for=("go.mod with a main package in the root or below cmd/",))
