# SPDX-License-Identifier: Apache-2.0
"""What rules about a language have in common: how sure one is that it is the main one, and a search through its code.

Texts are searched as a whole by patterns with bounded repeats, so that a line of any length costs no more than its
length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import to_port
from homeport.analyze.paths import Paths, in_the_way
from homeport.analyze.repo import Repo
from homeport.analyze.routes import HEALTH
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_CODE = frozenset(
    "py js mjs cjs jsx ts mts tsx vue svelte go rs java kt kts scala groovy c cc cpp cxx h hh hpp cu cuh jl r rb"
    " erb php "
    "cs fs vb f f90 f95 swift ex exs eex heex lua hs clj ml dart zig cshtml razor".split()
)
_CAP = 60_000
_MOST_HITS = 12
_OWN = frozenset(
    "PORT HOST HOME PATH USER PWD TMPDIR LANG DEBUG SHELL TERM CI GOPATH RAILS_ENV RACK_ENV MIX_ENV OUT_DIR TARGET "
    "PROFILE".split()
)
_ROUTE = re.compile(r"[\"'`](?:GET )?(/[A-Za-z/_-]{1,40})[\"'`]")
_SHARE_OF = 0.4
_BASE = 0.5
_LEAST = 0.4

Ports = Sequence[tuple[str, float, re.Pattern[str]]]
"""(rule, confidence, pattern whose first group is the port)."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Claims of one ecosystem: their rules begin with its name."""

    repo: Repo
    claims: Claims
    of: Ecosystem

    def say(
        self, field: Field, value: object, rule: str, sure: float, file: str, line: int = 0,
        origin: Origin = Origin.CODE,
    ) -> None:  # fmt: skip
        self.claims.add(field, value, origin, file=file, line=line, rule=f"{self.of}.{rule}",
                        confidence=round(sure, 3), text=self.repo.line(file, line))  # fmt: skip

    def begin(self, file: str, suffixes: Sequence[str], most: float = 1.0) -> float:
        """It is of this ecosystem, by `file`. Returns the share of its code in all code, 0 to 1."""
        share = share_of(self.repo, suffixes)
        sure = min(_BASE + _SHARE_OF * share, most)
        self.say("ecosystem", self.of, "project", sure, file, origin=Origin.DEPENDENCY)
        return share

    def start(
        self, words: Sequence[str], rule: str, sure: float, file: str, line: int = 0, origin: Origin = Origin.CODE
    ) -> None:
        """A start command, where one is halfway sure. Without an image nobody builds what it starts: that is said."""
        if sure < _LEAST:
            return
        self.claims.start(words, origin, file=file, line=line, rule=f"{self.of}.{rule}", confidence=round(sure, 3),
                          text=self.repo.line(file, line))  # fmt: skip
        told = any(text.startswith("it is started by") for text in self.claims.warnings)
        if not told and not any(
            one.field == "dockerfile" or (one.field == "start" and one.origin is Origin.MANIFEST)
            for one in self.claims.all
        ):
            self.claims.warn(
                f"it is started by {words[0]}; Homeport installs neither that nor what it builds from: "
                "add a Dockerfile, or say with --start what is built already"
            )

    def version(self, version: str, rule: str, sure: float, file: str, line: int, *, minimum: bool = True) -> None:
        """The version of the language, as written; `minimum` where newer ones do."""
        origin = Origin.DEPENDENCY if minimum else Origin.DOCUMENTED
        self.say("runtime_version", version, rule, sure, file, line, origin)
        self.say("language_version", version, rule, sure, file, line, origin)

    def kind(self, kind: Kind, rule: str, sure: float, file: str, line: int = 0) -> None:
        self.say("kind", kind, rule, sure, file, line)

    def gpu(self, need: GpuNeed, rule: str, sure: float, file: str, line: int, vendor: str = "") -> None:
        self.say("gpu", need, rule, sure, file, line, Origin.DEPENDENCY)
        if vendor:
            self.say("gpu_vendor", vendor, rule, 0.52 if need is GpuNeed.NEEDED else 0.5, file, line, Origin.DEPENDENCY)

    def health(self, path: str, rule: str, sure: float, file: str, line: int) -> None:
        self.say("health_path", path, rule, sure, file, line)

    def port(self, value: object, rule: str, sure: float, file: str, line: int) -> bool:
        port = to_port(value)
        if port is not None:
            self.say("port", port, rule, sure - file.count("/") / 200, file, line)
        return port is not None

    def search(self, files: Sequence[str], ports: Ports, env: re.Pattern[str] | None = None,
               comment: tuple[str, ...] = ("//", "*", "/*", "#")) -> str:  # fmt: skip
        """Ports, health routes and variables in code. Returns the first file that gave a port, or ""."""
        first = ""
        for file in files:
            text = self.repo.text(file)
            if not text:
                continue
            for rule, sure, pattern in ports:
                for found, line in self.hits(file, pattern, comment):
                    if self.port(found[1].replace("_", ""), rule, sure, file, line):
                        first = first or file
            if "/" in text:
                for found, line in self.hits(file, _ROUTE, comment, most=400):
                    if (sure := HEALTH.get(found[1], 0.0)) and "socket" not in self.repo.line(file, line):
                        self.health(found[1], "health-route", sure, file, line)
            for found, line in self.hits(file, env, comment, most=60) if env else ():
                if found[1] not in _OWN and not found[1].startswith("CARGO_"):
                    self.claims.asks_for(found[1], file=file, line=line, rule=f"{self.of}.variable", text=found[0])
        return first

    @property
    def published(self) -> bool:
        """Whether documents or containers name a port."""
        said = (Origin.CONTAINER, Origin.DOCUMENTED)
        return any(
            one.field == "port" and one.origin in said and one.evidence.confidence >= 0.5 for one in self.claims.all
        )

    @property
    def called(self) -> str:
        """What the repository is called, as far as its place says."""
        return re.split(r"[/+:\\]", self.repo.source.locator.rstrip("/").removesuffix(".git"))[-1].lower()

    def hits(
        self, file: str, pattern: re.Pattern[str], comment: tuple[str, ...] = (), most: int = _MOST_HITS
    ) -> Iterator[tuple[re.Match[str], int]]:
        """Where a pattern stands in a file, with line numbers; not in lines that begin a comment."""
        text = self.repo.text(file)
        for found, line in self.repo.hits(file, pattern, most):
            begin = text.rfind("\n", 0, found.start()) + 1
            if not comment or not text[begin : begin + 200].lstrip().startswith(comment):
                yield found, line


def share_of(repo: Repo, suffixes: Sequence[str]) -> float:
    """How much of the code ends so, 0 to 1: by size, large files cut short, tests and documents left out."""
    mine = all_ = 0
    for ending, paths in repo.paths.by_ending().items():
        if ending[1:] not in _CODE:
            continue
        size = sum(min(repo.sizes[path], _CAP) + 1 for path in paths if not in_the_way(path))
        all_ += size
        mine += size if ending in suffixes else 0
    return mine / all_ if all_ else 0.0


def pick(
    paths: Paths, suffixes: Sequence[str], telling: re.Pattern[str], *, most: int = 24, depth: int = 6,
    tests: re.Pattern[str] | None = None,
) -> list[str]:  # fmt: skip
    """Files of code worth reading: by telling names, the ones near the root first."""
    found = [
        path
        for path in paths.ending(*suffixes, depth=depth)
        if telling.search(path) and not in_the_way(path) and not (tests and tests.search(path))
    ]
    return sorted(found, key=near)[:most]


def near(path: str) -> tuple[int, int, str]:
    """Sorts files by how near to the root they are."""
    return path.count("/"), len(path), path
