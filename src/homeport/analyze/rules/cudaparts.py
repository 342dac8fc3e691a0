# SPDX-License-Identifier: Apache-2.0
"""The CUDA version that stands in the names of what Python projects install: `jax[cuda12]`, `some-engine-cu12`.

All files that pip installs from, also those of parts; extras count as well, for where a GPU is of use they are used."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin

_INSTALLS = late(r"(?:^|/)(?:requirements(?:[-_.](?:gpu|cuda|all|full|base))?\.txt|pyproject\.toml|setup\.py)$")
_NAMED = late(
    r"[\w.-]{2,60}\[[\w, -]{0,60}?cuda(\d{2})(?:_\w{1,12})?[\w, -]{0,40}\]"
    r"|\b[A-Za-z][\w.-]{1,60}?-cu(?:da)?(1[0-9])(\d)?x?\b"
)
_LIST = late(r"^\s{0,8}[\"']?([\w-]{1,40})[\"']?\s{0,4}[=:]\s{0,4}\[")
_ALWAYS_OR_GPU = late(r"(?i)^(?:dependencies|install_requires|requires)$|gpu|cuda|^all$")
"""Lists of what is always installed, and extras for GPUs; what another extra brings is that one's affair."""
_BROUGHT_ALONG = late(r"(?i)\bnvidia-[\w-]{2,40}-cu\d")
"""What a framework pulls in by itself, where a list is a record of all that was installed."""
_COMMENTS = ("#", "//")
_SURE, _OF_A_PART, _HINT = 0.56, 0.52, 0.44
_MOST, _DEPTH = 20, 2


@dataclass(frozen=True, slots=True)
class _Named:
    version: str
    file: str
    line: int
    text: str


def _read(repo: Repo, claims: Claims) -> None:
    found = [one for file in _wants(repo.paths) for one in _named(repo, file)]
    agree = len({one.version.partition(".")[0] for one in found}) == 1
    for one in found[:5]:
        sure = _SURE if "/" not in one.file else _OF_A_PART
        claims.add("cuda", one.version, Origin.DEPENDENCY, file=one.file, line=one.line, rule="cudaparts.name",
                   confidence=sure if agree else _HINT, text=one.text)  # fmt: skip


def _named(repo: Repo, file: str) -> list[_Named]:
    found, into = [], ""
    for number, line in enumerate(repo.lines(file)[:3000], 1):
        if not file.endswith(".txt") and (begun := _LIST.match(line)):
            into = begun[1]
        if into and not _ALWAYS_OR_GPU.search(into):
            continue
        if "cu" not in line or line.lstrip().startswith(_COMMENTS) or _BROUGHT_ALONG.search(line):
            continue
        if match := _NAMED.search(line):
            version = match[1] or (f"{match[2]}.{match[3]}" if match[3] else match[2])
            found.append(_Named(version, file, number, line))
    return found


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".txt", ".toml", ".py", depth=_DEPTH) if _INSTALLS.search(path)]
    return sorted((path for path in found if not in_the_way(path)), key=near)[:_MOST]


RULES = Ruleset(wants=_wants, read=_read)
