# SPDX-License-Identifier: Apache-2.0
"""`.env.example` and its kin: names of variables it asks for. Values are never taken, but for the port it
listens on; a real `.env` is never read."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.command import to_port
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import near
from homeport.model.evidence import Origin

_NAMES = (
    ".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults", "env.example", "example.env",
    "sample.env", ".env.local.example", ".env.production.example",
)  # fmt: skip
_LINE = late(r"\s{0,4}(?:export\s)?([A-Za-z_][A-Za-z0-9_]{0,99})\s{0,3}=")
_PORT = late(r"\s{0,4}(?:export\s)?((?:APP|SERVER|HTTP|API|WEB|LISTEN)_PORT|PORT)\s{0,3}=\s{0,3}[\"']?(\d{2,5})\b")
_MOST = 8


def _read(repo: Repo, claims: Claims) -> None:
    for file in _files(repo.paths):
        deeper = 0.15 if "/" in file else 0.0
        for number, line in enumerate(repo.lines(file)[:300], 1):
            if found := _LINE.match(line):
                claims.asks_for(found[1], file=file, line=number, rule="dotenv.name", text=f"{found[1]}=")
            if (found := _PORT.match(line)) and (port := to_port(found[2])):
                sure = (0.62 if found[1] == "PORT" else 0.52) - deeper
                claims.add("port", port, Origin.CODE, file=file, line=number, rule="dotenv.port", confidence=sure,
                           text=line)  # fmt: skip


@once
def _files(paths: Paths) -> list[str]:
    return sorted((path for path in paths.named(*_NAMES, depth=1) if not in_the_way(path)), key=near)[:_MOST]


RULES = Ruleset(wants=_files, read=_read)
