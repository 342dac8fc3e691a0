# SPDX-License-Identifier: Apache-2.0
"""What continuous integration installs and runs on: weak words on versions, packages and systems, hints on GPUs.

Read by lines. A workflow tests many versions, on machines that are not the ones it will run on."""

from __future__ import annotations

import re

from homeport.analyze.baseimages import read_base
from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, GpuNeed

_FILES = (".gitlab-ci.yml", ".travis.yml", "azure-pipelines.yml", ".circleci/config.yml", "bitbucket-pipelines.yml",
          ".woodpecker.yml", "appveyor.yml")  # fmt: skip
_VERSION = late(
    r"^\s{0,24}(?:-\s)?[\"']?([a-z]{1,8})-?version[\"']?\s{0,3}:\s{0,3}\[?\s{0,3}[\"']?v?(\d{1,2}(?:\.\d{1,3}){0,2})\b"
)
_LANGUAGES = {
    "go": Ecosystem.GO, "java": Ecosystem.JAVA, "ruby": Ecosystem.RUBY, "dotnet": Ecosystem.DOTNET,
    "php": Ecosystem.PHP, "r": Ecosystem.R, "elixir": Ecosystem.ELIXIR, "python": Ecosystem.PYTHON,
    "node": Ecosystem.NODE,
}  # fmt: skip
_RUNS_ON = late(r"^\s{0,12}(?:-\s)?runs-on\s{0,3}:\s{0,3}(.{1,120})")
_TAGS = late(r"^\s{0,12}(?:-\s{0,3}|tags\s{0,3}:\s{0,3}\[?.{0,60}?)[\"']?([\w-]{0,30}gpu[\w-]{0,30})\b[\"']?", re.I)
_IMAGE = late(r"^\s{0,16}(?:image|container|name)\s{0,3}:\s{0,3}[\"']?([a-z][\w./-]{2,120}(?::[\w.-]{1,80})?)")
_SYSTEM = late(r"\b(ubuntu|debian|centos|fedora|rocky)-")
_INSTALL = late(r"\b(?:apt-get|apt)\s(?:-\S{1,20}\s){0,4}install\s([^&;|#\"']{1,400})")
_PACKAGE = late(r"[a-z0-9][a-z0-9.+-]{1,60}")
_HINT = 0.34
"""Below what makes a GPU a choice: it is told, and decides nothing."""


def _read(repo: Repo, claims: Claims) -> None:
    packages: dict[str, None] = {}
    first: tuple[str, int] | None = None
    seen: set[str] = set()

    def say(name: Field, value: object, rule: str, sure: float, file: str, number: int, line: str) -> None:
        key = f"{name}{rule}"
        if key not in seen:
            seen.add(key)
            claims.add(name, value, Origin.CODE, file=file, line=number, rule=rule, confidence=sure, text=line)

    for file in _files(repo.paths):
        for number, line in enumerate(repo.lines(file)[:600], 1):
            if line.lstrip().startswith("#"):
                continue
            if (found := _VERSION.match(line)) and (of := _LANGUAGES.get(found[1])):
                say("language_version", found[2], f"{of}.ci-version", 0.35, file, number, line)
                say("runtime_version", found[2], f"{of}.ci-version", 0.35, file, number, line)
            elif found := _RUNS_ON.match(line):
                if system := _SYSTEM.search(found[1]):
                    say("os_family", system[1], "ci.runs-on", 0.3, file, number, line)
                if re.search(r"(?i)gpu|cuda|nvidia", found[1]):
                    say("gpu", GpuNeed.OPTIONAL, "ci.runner", _HINT, file, number, line)
            elif _TAGS.match(line) and not file.startswith(".github"):
                say("gpu", GpuNeed.OPTIONAL, "ci.runner", _HINT, file, number, line)
            elif (found := _IMAGE.match(line)) and read_base(found[1]).gpu:
                say("gpu", GpuNeed.OPTIONAL, "ci.image", _HINT, file, number, line)
            for words in _INSTALL.findall(line):
                names = [word for word in words.split() if _PACKAGE.fullmatch(word)]
                first = first or ((file, number) if names else None)
                packages.update(dict.fromkeys(names))
    if first:
        claims.add("system_packages", tuple(packages)[:40], Origin.CODE, file=first[0], line=first[1],
                   rule="ci.packages", confidence=0.3, text=repo.line(*first))  # fmt: skip


@once
def _files(paths: Paths) -> list[str]:
    flows = [path for path in paths.ending(".yml", ".yaml", depth=2) if path.startswith(".github/workflows/")]
    return [one for one in _FILES if one in paths] + sorted(flows, key=near)[:10]


RULES = Ruleset(wants=_files, read=_read, rank=85)
