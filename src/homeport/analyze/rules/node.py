# SPDX-License-Identifier: Apache-2.0
"""Node: package.json, version files, and what plain JavaScript says about its port and routes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from homeport.analyze import routes
from homeport.analyze.claims import Claims
from homeport.analyze.command import parse_command, to_port
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import share_of
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem

_PACKAGE = "package.json"
_VERSIONS = (".nvmrc", ".node-version")
_STARTS = {"start": 0.9, "start:prod": 0.8, "serve": 0.6}
_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")
_ENTRIES = (
    "server.js",
    "index.js",
    "app.js",
    "main.js",
    "agent.js",
    "server.mjs",
    "index.mjs",
    "server.cjs",
    "index.cjs",
)
_CODE = (".js", ".mjs", ".cjs", ".ts", ".mts")
_NOT_CODE = (".d.ts", ".min.js", ".test.js", ".spec.js", ".test.ts", ".spec.ts", ".config.js")
_MOST_FILES = 40
_PORTS = (
    ("env-port-default", 0.8, late(r"process\.env\.PORT\s{0,3}(?:\|\||\?\?)\s{0,3}[\"']?(\d{2,5})")),
    ("env-port-default", 0.8, late(r"process\.env\[.PORT.\]\s{0,3}(?:\|\||\?\?)\s{0,3}[\"']?(\d{2,5})")),
    ("listen", 0.6, late(r"\.listen\(\s{0,3}(\d{2,5})\b")),
    ("listen", 0.55, late(r"\.listen\(\s{0,3}\{[^}]{0,80}\bport:\s{0,3}(\d{2,5})\b")),
    ("listen", 0.6, late(r"\b(?:Bun|Deno)\.serve\(\s{0,3}\{[^}]{0,80}?\bport:\s{0,3}(\d{2,5})\b")),
    ("port-constant", 0.5, late(r"\b(?:const|let|var)\s{1,3}(?:PORT|port)\s{0,3}=\s{0,3}(\d{2,5})\b")),
)
_ROUTE = late(r"[\"'`](/[A-Za-z/_-]{1,40})[\"'`]")


def _read(repo: Repo, claims: Claims) -> None:
    if _PACKAGE in repo:
        _read_package(repo, claims)
    for file in _VERSIONS:
        found = re.fullmatch(r"\s*v?(\d{1,3}(?:\.\d{1,4}){0,2}|lts/\w{1,20})\s*", repo.text(file)[:100])
        if found:
            claims.add("runtime_version", found[1], Origin.DOCUMENTED, file=file, line=1,
                       rule="node.version-file", confidence=0.9, text=repo.line(file, 1))  # fmt: skip
    is_node = _PACKAGE in repo or any(name in repo for name in _ENTRIES)
    if not is_node:
        return
    for file in _code(repo.paths):
        _read_code(repo, claims, file)
    if not any(claim.evidence.rule.startswith("node.") and claim.field == "start" for claim in claims.all):
        _guess_start(repo, claims)


def _read_package(repo: Repo, claims: Claims) -> None:
    try:
        package = json.loads(repo.text(_PACKAGE))
    except (ValueError, RecursionError):
        claims.warn(f"{_PACKAGE} is not valid JSON; nothing was taken from it")
        return
    if not isinstance(package, dict):
        return
    _claim_ecosystem(repo, claims, _PACKAGE, Origin.DEPENDENCY)
    if isinstance(package.get("dependencies"), dict) and package["dependencies"]:
        lock = next((name for name in _LOCKS if name in repo), "")
        claims.installs.append((Origin.DEPENDENCY, (lock,) if lock else (_PACKAGE,)))
    engines = package.get("engines")
    version = engines.get("node") if isinstance(engines, dict) else None
    if isinstance(version, str) and re.fullmatch(r"[0-9.<>=^~x*| -]{1,40}", version):
        line = repo.find(_PACKAGE, '"node"')
        claims.add("runtime_version", version, Origin.DEPENDENCY, file=_PACKAGE, line=line,
                   rule="node.engines", confidence=0.8, text=repo.line(_PACKAGE, line))  # fmt: skip
    scripts = package.get("scripts")
    for name, sure in _STARTS.items():
        script = scripts.get(name) if isinstance(scripts, dict) else None
        if isinstance(script, str):
            _claim_script(repo, claims, name, script, sure)
            break
    main = package.get("main")
    if isinstance(main, str) and main.removeprefix("./") in repo and main.endswith((".js", ".mjs", ".cjs")):
        _claim_file(repo, claims, main.removeprefix("./"), "node.main", 0.4, line=repo.find(_PACKAGE, '"main"'))


def _claim_script(repo: Repo, claims: Claims, name: str, script: str, sure: float) -> None:
    line = repo.find(_PACKAGE, f'"{name}"')
    command = parse_command(script)
    if command.refused:
        claims.warn(f"{_PACKAGE}:{line}: the {name} script is not a plain command line: {command.refused}")
        return
    program = next((word for word in command.argv if word != "env" and "=" not in word), "")
    words = command.argv if program == "node" else ("npm", "start") if name == "start" else ("npm", "run", name)
    claims.start(words, Origin.DEPENDENCY, file=_PACKAGE, line=line, rule="node.start-script",
                 confidence=sure, text=repo.line(_PACKAGE, line))  # fmt: skip


def _claim_file(repo: Repo, claims: Claims, file: str, rule: str, confidence: float, *, line: int = 0) -> None:
    said_in = _PACKAGE if line else file
    claims.start(("node", file), Origin.CODE, file=said_in, line=line, rule=rule, confidence=confidence,
                 text=repo.line(said_in, line))  # fmt: skip


def _guess_start(repo: Repo, claims: Claims) -> None:
    """A file with a telling name that listens."""
    for index, file in enumerate(name for name in _ENTRIES if name in repo):
        line = repo.find(file, ".listen(")
        if line:
            claims.start(("node", file), Origin.CODE, file=file, line=line, rule="node.listening-file",
                         confidence=0.6 - index / 100, text=repo.line(file, line))  # fmt: skip
            _claim_ecosystem(repo, claims, file, Origin.CODE)
            return


def _claim_ecosystem(repo: Repo, claims: Claims, file: str, origin: Origin) -> None:
    sure = 0.5 + 0.19 * share_of(repo, (*_CODE, ".jsx", ".tsx", ".vue"))
    claims.add("ecosystem", Ecosystem.NODE, origin, file=file, line=0, rule="node.project", confidence=round(sure, 3))


def _read_code(repo: Repo, claims: Claims, file: str) -> None:
    for number, line in enumerate(repo.lines(file), 1):
        if line.lstrip().startswith(("//", "*", "/*")):
            continue
        if "port" in line or "PORT" in line or ".listen(" in line:
            for rule, confidence, pattern in _PORTS:
                if (found := pattern.search(line)) and (port := to_port(found[1])):
                    claims.add("port", port, Origin.CODE, file=file, line=number, rule=f"node.{rule}",
                               confidence=confidence - file.count("/") / 100, text=line)  # fmt: skip
                    break
        if "/" in line:
            for found in _ROUTE.finditer(line):
                if confidence := routes.HEALTH.get(found[1], 0.0):
                    claims.add("health_path", found[1], Origin.CODE, file=file, line=number,
                               rule="node.health-route", confidence=confidence, text=line)  # fmt: skip


@once
def _code(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(*_CODE, depth=3) if not in_the_way(path)]
    found = [path for path in found if not path.endswith(_NOT_CODE)]
    return sorted(found, key=lambda path: (path.count("/"), path.rsplit("/", 1)[-1] not in _ENTRIES, path))[
        :_MOST_FILES
    ]


def _wants(paths: Sequence[str]) -> list[str]:
    files = [name for name in (_PACKAGE, *_VERSIONS) if name in paths]
    return files + _code(paths)


RULES = Ruleset(
    wants=_wants,
    read=_read,
    looks_for=("package.json with a `start` script or a `main` file", f"one of {', '.join(_ENTRIES[:5])} that listens"),
)
