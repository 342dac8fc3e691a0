# SPDX-License-Identifier: Apache-2.0
"""application.properties and application.yml of Spring, Quarkus and Micronaut; what their starters bring along."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.rules.java.build import Library
from homeport.analyze.voice import Voice, near

_FILE = late(r"(?:^|/)(?:src/main/resources/|config/)?(?:application|bootstrap)\.(?:properties|ya?ml|conf)$")
_KEY = late(r"([\w.-]{1,100})\s{0,3}[:=]\s{0,3}(.{0,200})")
_VALUE = late(r"[\"']?(?:\$\{[\w.]{1,60}:)?(\d{2,5})\}?[\"']?\s*(?:#.*)?")
_PORTS = {"server.port": 0.8, "quarkus.http.port": 0.8, "micronaut.server.port": 0.8, "ktor.deployment.port": 0.75,
          "http.port": 0.55}  # fmt: skip
_WEB = {
    "spring-boot-starter-web": 8080, "spring-boot-starter-webflux": 8080, "spring-boot-starter-webmvc": 8080,
    "spring-boot-starter-jersey": 8080, "spring-cloud-starter-gateway": 8080,
    "quarkus-rest": 8080, "quarkus-rest-jackson": 8080, "quarkus-resteasy": 8080, "quarkus-resteasy-reactive": 8080,
    "quarkus-resteasy-reactive-jackson": 8080, "quarkus-vertx-http": 8080, "micronaut-http-server-netty": 8080,
}  # fmt: skip
"""Starters that listen, and the port of a program that says no other."""
_HEALTH = {
    "spring-boot-starter-actuator": "/actuator/health", "quarkus-smallrye-health": "/q/health",
    "micronaut-management": "/health",
}  # fmt: skip


def read(voice: Voice, libraries: Mapping[str, Library]) -> str:
    """Claims a port and a health path. Returns the file that says it listens, or ""."""
    said: dict[str, str] = {}
    listens = ""
    files = wants(voice.repo.paths)
    below = [file for file in files if not file.startswith(("src/", "config/")) and "/" in file]
    for file in files:
        one_of_many = 0.5 if file in below and len(below) > 1 else 1.0
        for key, value, line in _entries(voice.repo, file):
            said.setdefault(key, value.strip("\"' "))
            if (sure := _PORTS.get(key, 0.0)) and (found := _VALUE.fullmatch(value)):
                voice.port(found[1], "server-port", sure * one_of_many, file, line)
                listens = listens or file
    web = next((libraries[name] for name in _WEB if name in libraries), None)
    if web:
        voice.port(_WEB[web.name], "starter-port", 0.6 if len(below) < 2 else 0.4, web.file, web.line)
        listens = listens or web.file
    for name, path in _HEALTH.items():
        one = libraries.get(name)
        if one and (path := _moved(path, said)):
            voice.health(path, "health-library", 0.78, one.file, one.line)
    return listens


def _moved(path: str, said: Mapping[str, str]) -> str:
    """Where settings put it; "" where it has a port of its own, which is not asked."""
    if "management.server.port" in said:
        return ""
    base = said.get("management.endpoints.web.base-path", "/actuator")
    whole = said.get("server.servlet.context-path", "").rstrip("/") + path.replace("/actuator", base.rstrip("/"), 1)
    return whole if re.fullmatch(r"/[\w./-]{0,150}", whole) else path


def _entries(repo: Repo, file: str) -> Iterator[tuple[str, str, int]]:
    """(dotted key, value, line) of properties and of YAML alike."""
    above: list[tuple[int, str]] = []
    yaml = not file.endswith(".properties")
    for number, line in enumerate(repo.lines(file)[:1000], 1):
        text = line.strip()
        if text.startswith(("#", "!", "//")) or not text:
            continue
        if yaml and text == "---":
            return  # what follows holds in some profiles only
        found = _KEY.fullmatch(text.rstrip(" {") if text.endswith("{") else text)
        indent = len(line) - len(line.lstrip())
        while yaml and above and above[-1][0] >= indent:
            above.pop()
        if found:
            key = ".".join([*(name for _, name in above), found[1]])
            if found[2].strip():
                yield key, found[2].strip(), number
        name = found[1] if found else text.rstrip(" {:")
        if yaml and len(above) < 20 and (not found or not found[2].strip()) and re.fullmatch(r"[\w.-]{1,80}", name):
            above.append((indent, name))


@once
def wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".properties", ".yml", ".yaml", ".conf", depth=6) if _FILE.search(path)]
    return sorted((path for path in found if not in_the_way(path)), key=near)[:6]
