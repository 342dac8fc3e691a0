# SPDX-License-Identifier: Apache-2.0
"""Gradle: its build files are programs; they are read by their lines and never run."""

from __future__ import annotations

from collections.abc import Iterator

from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.rules.java.build import Build, Library
from homeport.analyze.voice import near

FILES = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
_BUILDS = FILES[:2]
_MOST = 12
_LEVEL = late(
    r"JavaLanguageVersion\.of\(\s{0,2}(\d{1,2})|jvmToolchain\(\s{0,2}(\d{1,2})|VERSION_(?:1_)?(\d{1,2})\b"
    r"|(?:source|target)Compatibility\s{0,2}=?\s{0,2}[\"']?(?:1\.)?(\d{1,2})\b|options\.release\s{0,2}=\s{0,2}("
    r"\d{1,2})"
)
_PLUGINS = (
    (late(r"org\.springframework\.boot[\"'](?![^\n]{0,80}apply false)|plugins\.spring\.boot\)"), "bootRun",
     0.85),
    (late(r"io\.quarkus[\"']"), "quarkusRun", 0.8),
    (late(r"io\.micronaut\.(?:application|minimal\.application)[\"']"), "run", 0.8),
    (late(r"io\.ktor\.plugin[\"']|plugins\.ktor\)"), "run", 0.8),
    (late(r"id\s?\(?[\"']application[\"']|apply plugin:\s{0,2}[\"']application[\"']"
                r"|^\s{0,8}application\s*$"), "run",
     0.7),
)  # fmt: skip
_DEPENDS = late(
    r"(?:implementation|api|compile|runtimeOnly|compileOnly)\s{0,2}\(?\s{0,2}(?:platform\()?[\"'][\w.-]{1,80}:(["
    r"\w.-]{1,80})"
)
_MODULE = late(r"[A-Za-z0-9_][\w.-]{0,80}")


@once
def wants(paths: Paths) -> list[str]:
    below = [path for path in paths.named(*_BUILDS, depth=2) if "/" in path and not in_the_way(path)]
    return [one for one in FILES if one in paths] + sorted(below, key=near)[:_MOST]


def read(repo: Repo) -> Iterator[Build]:
    for file in wants(repo.paths):
        if file.rpartition("/")[2] in _BUILDS and repo.text(file):
            yield _build(repo, file)


def _build(repo: Repo, file: str) -> Build:
    build = Build(file)
    program = "./gradlew" if "gradlew" in repo else "gradle"
    module = file.rpartition("/")[0]
    plain = not module or all(_MODULE.fullmatch(part) for part in module.split("/"))
    task = f":{module.replace('/', ':')}:" if module else ""
    for number, line in enumerate(repo.lines(file)[:1500], 1):
        if line.lstrip().startswith("//"):
            continue
        if not build.version and (found := _LEVEL.search(line)):
            build.version = next(part for part in found.groups() if part)
            build.version_line = number
        if found := _DEPENDS.search(line):
            build.libraries.append(Library(found[1], file, number))
        for pattern, name, sure in _PLUGINS:
            if plain and sure > build.sure and pattern.search(line):
                build.start, build.sure = (program, task + name), sure
                build.start_line, build.rule = number, "gradle-plugin"
    return build
