# SPDX-License-Identifier: Apache-2.0
""".NET: projects of C#, F# and Visual Basic; web projects, programs, libraries; what Kestrel listens on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, shown
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, near, pick, share_of
from homeport.analyze.xmlflat import XmlError, read_xml
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_PROJECTS = (".csproj", ".fsproj", ".vbproj")
_SERVING = ("web", "server", "host", "api", "service", "gateway")
_CODE = (".cs", ".fs", ".vb", ".cshtml", ".razor")
_TEST = late(r"(?i)\bfuzz\b|tests?\b|tests?\.\w+proj$|benchmark|specs?\.\w+proj$")
_FRAMEWORK = late(r"net(?:coreapp)?(\d{1,2}\.\d)")
_SDK = late(r"\"version\"\s{0,3}:\s{0,3}\"(\d{1,2}\.\d)")
_URL = r"https?://[\w.*+\[\]:-]{1,60}?:(\d{2,5})"
_PORTS = (
    ("urls", 0.7, late(rf"(?:UseUrls|\.Run|Urls\.Add)\(\s{{0,3}}\"{_URL}")),
    ("urls", 0.65, late(r"(?:Listen(?:AnyIP|Localhost)|Listen\([\w.]{1,40},)\s{0,3}\(?\s{0,3}(\d{2,5})\b")),
    ("settings-url", 0.65, late(rf"(?i)\"urls?\"\s{{0,3}}:\s{{0,3}}\"{_URL}")),
    ("launch-url", 0.55, late(r"\"applicationUrl\"\s{0,3}:\s{0,3}\"[^\"]{0,80}?http://[\w.*+\[\]-]{1,60}:("
                                    r"\d{2,5})")),
)  # fmt: skip
_ENV = late(r"GetEnvironmentVariable\(\s{0,3}\"([A-Za-z][A-Za-z0-9_]{2,99})\"")
_TELLING = late(r"(?i)(?:^|/)(?:program|startup|\w{0,30}(?:endpoints?|extensions|health\w{0,20}))\.(?:cs|fs|vb)$")
_SETTINGS = late(r"(?i)(?:^|/)(?:appsettings|launchsettings|hosting)\.json$")
_HEALTH = late(r"(?:MapHealthChecks|UseHealthChecks)\(\s{0,3}\"(/?[\w/-]{1,60})\"")
_NEED_GPU = {
    "managedcuda": 0.65, "managedcuda-net": 0.65, "microsoft.ml.onnxruntime.gpu": 0.6, "torchsharp-cuda": 0.6,
    "torchsharp-cuda-linux": 0.6, "tensorflow.net-gpu": 0.6, "scisharp.tensorflow.redist-linux-gpu": 0.6,
}  # fmt: skip
_MAY_USE_GPU = ("ilgpu", "torchsharp", "llamasharp.backend.cuda", "whisper.net.runtime.cuda", "computesharp")


@dataclass(slots=True)
class _Project:
    file: str
    web: bool = False
    program: bool = False
    version: str = ""
    version_line: int = 0

    @property
    def order(self) -> tuple[bool, bool, int, int, str]:
        name = self.file.rpartition("/")[2].lower()
        serving = next((place for place, word in enumerate(_SERVING) if word in name), len(_SERVING))
        return not self.web, not self.program, serving, self.file.count("/"), self.file


def _read(repo: Repo, claims: Claims) -> None:
    files = _projects(repo.paths)
    if not files:
        return
    voice = Voice(repo, claims, Ecosystem.DOTNET)
    if "/" in files[0] and share_of(repo, _CODE) < 0.1:
        return  # a package of something else
    share = voice.begin(files[0], _CODE)
    projects = sorted((one for file in files if (one := _project(voice, file))), key=lambda one: one.order)
    for found, line in voice.hits("global.json", _SDK, most=1):
        voice.version(found[1], "global-json", 0.8, "global.json", line)
    dated = next((one for one in projects if one.version), None)
    if dated:
        voice.version(dated.version, "target-framework", 0.85, dated.file, dated.version_line)
    started = [one for one in projects if one.web or one.program]
    for place, one in enumerate(started[:3]):
        sure = 0.5 + 0.2 * share + (0.1 if one.web else 0.0) - 0.08 * place
        voice.start(("dotnet", "run", "--project", one.file), "project", sure, one.file)
    near_ = [file for file in _code(repo.paths) if not started or _beside(file, started[0].file)]
    listens = voice.search(near_ or _code(repo.paths), _PORTS, _ENV)
    for file in _code(repo.paths):
        for found, line in voice.hits(file, _HEALTH, ("//",), most=1):
            voice.health("/" + found[1].lstrip("/"), "health-checks", 0.8, file, line)
    if started and started[0].web:
        voice.kind(Kind.SERVICE, "web-project", 0.6 if share > 0.3 else 0.48, started[0].file)
    elif started:
        voice.kind(Kind.SERVICE if listens else Kind.CLI, "program", 0.55, started[0].file)
    else:
        voice.kind(Kind.LIBRARY, "no-program", 0.57, files[0])


def _project(voice: Voice, file: str) -> _Project | None:
    if not voice.repo.text(file):
        return None
    try:
        elements = read_xml(voice.repo.text(file))
    except XmlError as error:
        voice.claims.warn(f"{shown(file)}: {error}; nothing was taken from it")
        return None
    one = _Project(file)
    sdk = elements[0].attributes.get("Sdk", "") if elements else ""
    one.web = sdk.startswith(("Microsoft.NET.Sdk.Web", "Microsoft.NET.Sdk.BlazorServer", "Aspire.AppHost"))
    one.program = sdk.startswith("Microsoft.NET.Sdk.Worker")
    for element in elements:
        if element.name == "OutputType":
            one.program = element.text.strip().lower() == "exe"
        elif element.name in ("TargetFramework", "TargetFrameworks") and not one.version:
            versions = sorted(_FRAMEWORK.findall(element.text), key=float)
            one.version, one.version_line = (versions[-1], element.line) if versions else ("", 0)
        elif element.name == "PackageReference":
            _read_package(voice, file, element.attributes.get("Include", "").lower(), element.line)
    return one


def _read_package(voice: Voice, file: str, name: str, line: int) -> None:
    if sure := _NEED_GPU.get(name, 0.0):
        voice.gpu(GpuNeed.NEEDED, "gpu-package", sure, file, line, "nvidia")
    elif name.startswith(_MAY_USE_GPU):
        voice.gpu(GpuNeed.OPTIONAL, "gpu-package", 0.5, file, line)


def _beside(file: str, project: str) -> bool:
    return file.startswith(project.rpartition("/")[0] + "/") or "/" not in project


@once
def _projects(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(*_PROJECTS, depth=4) if not in_the_way(path) and not _TEST.search(path)]
    safe = [path for path in found if re.fullmatch(r"[\w][\w ./+-]{0,200}", path)]
    return sorted(safe, key=near)[:20]


@once
def _code(paths: Paths) -> list[str]:
    settings = [path for path in paths.ending(".json", depth=5) if _SETTINGS.search(path) and not in_the_way(path)]
    code = pick(paths, (".cs", ".fs", ".vb"), _TELLING, most=20, tests=_TEST)
    return [*code, *sorted(settings, key=near)[:12]]


@once
def _wants(paths: Paths) -> list[str]:
    projects = _projects(paths)
    return [*(["global.json"] if "global.json" in paths else []), *projects, *_code(paths)] if projects else []


RULES = Ruleset(wants=_wants, read=_read, looks_for=("a .NET project that is a program",))
