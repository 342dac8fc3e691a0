# SPDX-License-Identifier: Apache-2.0
"""Maven: pom.xml, and those of modules one folder below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, shown
from homeport.analyze.rules.java.build import Build, Library
from homeport.analyze.voice import near
from homeport.analyze.xmlflat import Element, XmlError, read_xml

FILE = "pom.xml"
_MOST = 12
_LEVELS = ("java.version", "maven.compiler.release", "maven.compiler.target", "maven.compiler.source", "release",
           "jdk.version", "javaVersion", "kotlin.compiler.jvmTarget", "source")  # fmt: skip
_GOALS = {
    "spring-boot-maven-plugin": ("spring-boot:run", 0.85), "quarkus-maven-plugin": ("quarkus:run", 0.8),
    "micronaut-maven-plugin": ("mn:run", 0.8), "jetty-maven-plugin": ("jetty:run", 0.65),
    "liberty-maven-plugin": ("liberty:run", 0.75), "exec-maven-plugin": ("exec:java", 0.6),
}  # fmt: skip
_MODULE = late(r"[A-Za-z0-9_][\w.-]{0,80}")


@once
def wants(paths: Paths) -> list[str]:
    if FILE not in paths:
        return []
    below = [path for path in paths.named(FILE, depth=2) if path != FILE and not in_the_way(path)]
    wrapper = [".mvn/jvm.config"] if ".mvn/jvm.config" in paths else []
    return [FILE, *sorted(below, key=near)[:_MOST], *wrapper]


def read(repo: Repo, claims: Claims) -> Iterator[Build]:
    """The root's, then its modules'. What cannot be read becomes a warning."""
    for file in wants(repo.paths):
        if not file.endswith(FILE) or not repo.text(file):
            continue
        try:
            elements = read_xml(repo.text(file))
        except XmlError as error:
            claims.warn(f"{shown(file)}: {error}; nothing was taken from it")
            continue
        yield _build(repo, file, elements)


def _build(repo: Repo, file: str, elements: Sequence[Element]) -> Build:
    build = Build(file)
    level = [
        one
        for name in _LEVELS
        for one in elements
        if one.name == name
        and (one.path[-2] == "properties" or ("plugin" in one.path and one.path[-2] == "configuration"))
    ]
    for one in level:
        if found := re.fullmatch(r"\s*(?:1\.)?(\d{1,2})\s*", one.text):
            build.version, build.version_line = found[1], one.line
            break
    build.main = any(one.name in ("mainClass", "Main-Class") for one in elements)
    for one in elements:
        if one.path[-2:] == ("dependency", "artifactId") and "dependencyManagement" not in one.path:
            build.libraries.append(Library(one.text.strip()[:100], file, one.line))
    _read_start(repo, build, elements)
    return build


def _read_start(repo: Repo, build: Build, elements: Sequence[Element]) -> None:
    """A plugin that runs the program; one that is only configured for others (pluginManagement) does not count."""
    program = "./mvnw" if "mvnw" in repo else "mvn"
    module = build.file.removesuffix(FILE).rstrip("/")
    if module and not all(_MODULE.fullmatch(part) for part in module.split("/")):
        return
    packaged = next((one.text.strip() for one in elements if one.path == ("project", "packaging")), "jar")
    for one in elements:
        if one.path[-2:] != ("plugin", "artifactId") or "pluginManagement" in one.path or packaged == "pom":
            continue
        goal, sure = _GOALS.get(one.text.strip(), ("", 0.0))
        if one.text.strip() == "exec-maven-plugin" and not any(at.name == "mainClass" for at in elements):
            continue
        if goal and sure > build.sure:
            build.start = (program, *(("-pl", module) if module else ()), goal)
            build.sure, build.start_line, build.rule = sure, one.line, "maven-plugin"
