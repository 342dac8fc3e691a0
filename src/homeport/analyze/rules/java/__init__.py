# SPDX-License-Identifier: Apache-2.0
"""Java, Kotlin and Scala, as Maven or Gradle build them: how they start, what they listen on, libraries for GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.rules.java import gradle, maven, settings
from homeport.analyze.rules.java.build import Build, Library
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, pick
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_CODE = (".java", ".kt", ".scala")
_PORTS = (
    ("env-port-default", 0.7, late(r"\"PORT\"\s{0,3},\s{0,3}\"?(\d{2,5})\b")),
    ("listen", 0.6, late(r"new (?:ServerSocket|InetSocketAddress)\(\s{0,3}(?:\"[\w.]{1,40}\",\s{0,3})?(\d{"
                               r"2,5})\)")),
    ("listen", 0.6, late(r"\b(?:embeddedServer\(\s{0,3}\w{1,20},\s{0,3}(?:port\s{0,3}=\s{0,3})?)(\d{2,5})\b")),
    ("listen", 0.55, late(r"(?:Javalin|app|server|http)\w{0,30}(?:\([^()]{0,80}\))?\s{0,40}\.(?:start"
                                r"|listen)\(\s{0,3}(\d{2,5})\)")),
    ("listen", 0.55, late(r"^\s{0,12}(?:Spark\.)?port\(\s{0,3}(\d{2,5})\);", re.M)),
    ("port-constant", 0.5, late(r"\bint (?:[A-Z_]{0,30}PORT|port)\s{0,3}=\s{0,3}(\d{4,5});")),
)  # fmt: skip
_ENV = late(r"System\.getenv\(\s{0,3}\"([A-Z][A-Z0-9_]{1,99})\"")
_TELLING = late(
    r"(?i)(?:Application|Main|App|Server|Http\w{0,10}|Health\w{0,20}|Routes?|Config\w{0,10})\.(?:java|kt|scala)$"
)
_TESTS = late(r"(?:^|/)(?:test|it)/|Tests?\.(?:java|kt)$")
_NEED_GPU = {"jcuda": 0.7, "jcublas": 0.7, "jcufft": 0.7, "nd4j-cuda": 0.65, "cuda-platform": 0.6, "javacv-platf"
                                                                                                   "orm-gpu": 0.55,
             "cuda": 0.55, "tornado-api": 0.5}  # fmt: skip
_MAY_USE_GPU = ("pytorch-native-cu", "onnxruntime_gpu", "tensorflow-core-platform-gpu", "aparapi", "tensorflow-gpu",
                "libtensorflow_jni_gpu")  # fmt: skip
_COMMANDS = ("picocli", "commons-cli", "jcommander", "clikt")


def _read(repo: Repo, claims: Claims) -> None:
    file = next((one for one in (maven.FILE, *gradle.FILES) if one in repo), "")
    if not file:
        return
    voice = Voice(repo, claims, Ecosystem.JAVA)
    share = voice.begin(file, _CODE)
    builds = [*maven.read(repo, claims), *gradle.read(repo)]
    for build in builds:
        if build.version:
            voice.version(build.version, "source-level", 0.8 if "/" not in build.file else 0.6, build.file,
                          build.version_line)  # fmt: skip
            break
    libraries = {one.name: one for build in reversed(builds) for one in build.libraries}
    programs = sorted((one for one in builds if one.start), key=lambda one: (-one.sure, one.file.count("/")))
    for place, one in enumerate(programs[:4]):
        sure = one.sure - 0.08 * place - (0.3 if share < 0.2 else 0.0)
        voice.start(one.start, one.rule, max(sure, 0.2), one.file, one.start_line)
    listens = settings.read(voice, libraries)
    listens = voice.search(_sources(repo.paths), _PORTS, _ENV) or listens
    _read_gpu(voice, libraries)
    _read_kind(voice, programs, builds, libraries, listens)


def _read_gpu(voice: Voice, libraries: Mapping[str, Library]) -> None:
    for name, one in libraries.items():
        sure = next((value for known, value in _NEED_GPU.items() if name == known or name.startswith(known + "-")), 0.0)
        if sure:
            voice.gpu(GpuNeed.NEEDED, "gpu-library", sure, one.file, one.line, "nvidia")
            if found := re.match(r"nd4j-cuda-(\d{1,2}\.\d)", name):
                voice.say("cuda", found[1], "gpu-library", 0.7, one.file, one.line)
        elif name.startswith(_MAY_USE_GPU):
            voice.gpu(GpuNeed.OPTIONAL, "gpu-library", 0.52, one.file, one.line)


def _read_kind(
    voice: Voice, programs: list[Build], builds: list[Build], libraries: Mapping[str, Library], listens: str
) -> None:
    first = builds[0].file if builds else maven.FILE
    if listens and (programs or "/" not in listens or listens.startswith("src/")):
        voice.kind(Kind.SERVICE, "listens", 0.57, listens)
    elif not programs and not any(one.main for one in builds):
        voice.kind(Kind.LIBRARY, "no-program", 0.57, first)
    elif (one := next((libraries[name] for name in _COMMANDS if name in libraries), None)) and not voice.published:
        voice.kind(Kind.CLI, "command-library", 0.56, one.file, one.line)


@once
def _sources(paths: Paths) -> list[str]:
    return pick(paths, _CODE, _TELLING, most=24, depth=10, tests=_TESTS)


@once
def _wants(paths: Paths) -> list[str]:
    if not any(one in paths for one in (maven.FILE, *gradle.FILES)):
        return []
    return [*maven.wants(paths), *gradle.wants(paths), *settings.wants(paths), *_sources(paths)]


RULES = Ruleset(
    wants=_wants, read=_read, looks_for=("pom.xml or build.gradle that names a main class, or a plugin that runs it",)
)
