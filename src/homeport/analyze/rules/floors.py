# SPDX-License-Identifier: Apache-2.0
"""Memory and processors that settings and scripts ask for: heaps of Java, checks before an installation."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin

_HEAP = late(r"-Xmx(\d{1,5})([mgMG])\b")
_CHECK = late(
    r"(?i)^\s{0,8}(?:export\s|local\s|readonly\s)?(?:min\w{0,20}_?(ram|mem|memory|cpus?|cores?)\w{0,20}|(?:ram|memory|cpus?)_min\w{0,20})\s?=\s?[\"']?(\d{1,7})\b"
)
_SAID = late(
    r"(?i)^\s{0,8}#.{0,40}?\b(\d{1,4})\s?GB\b(?=.{0,40}\b(?:min|requir|at least))(?=.{0,60}\b(?:ram|memory)\b)"
)
_SCRIPT = late(r"(?i)(?:require|preflight|min|check)[\w-]{0,30}\.sh$")
_GRADLE = "gradle.properties"


def _read(repo: Repo, claims: Claims) -> None:
    for number, line in enumerate(repo.lines(_GRADLE)[:300], 1):
        if not line.lstrip().startswith("#") and (found := _HEAP.search(line)):
            size = int(found[1]) << (30 if found[2] in "gG" else 20)
            claims.add("memory_bytes", size, Origin.CODE, file=_GRADLE, line=number, rule="floors.build-heap",
                       confidence=0.52 if size >= 1 << 30 else 0.4, text=line)  # fmt: skip
    for file in [path for path in _wants(repo.paths) if path != _GRADLE]:
        for number, line in enumerate(repo.lines(file)[:200], 1):
            if found := _SAID.match(line):
                claims.add("memory_bytes", int(found[1]) << 30, Origin.CODE, file=file, line=number,
                           rule="floors.said", confidence=0.65, text=line)  # fmt: skip
            elif found := _CHECK.match(line):
                _claim(claims, (found[1] or "").lower(), int(found[2]), file, number, line)


def _claim(claims: Claims, what: str, value: int, file: str, number: int, line: str) -> None:
    """Megabytes where the number is large, else gigabytes."""
    if what.startswith(("cpu", "core")) and 0 < value <= 256:
        claims.add("cpus", float(value), Origin.CODE, file=file, line=number, rule="floors.check", confidence=0.6,
                   text=line)  # fmt: skip
    elif what.startswith(("ram", "mem")) and value > 0:
        size = value << 20 if value >= 256 else value << 30
        claims.add("memory_bytes", size, Origin.CODE, file=file, line=number, rule="floors.check", confidence=0.6,
                   text=line)  # fmt: skip


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.ending(".sh", depth=2) if _SCRIPT.search(path) and not in_the_way(path)]
    return sorted(found)[:10] + ([_GRADLE] if _GRADLE in paths else [])


RULES = Ruleset(wants=_wants, read=_read)
