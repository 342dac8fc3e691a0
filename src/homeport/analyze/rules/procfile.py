# SPDX-License-Identifier: Apache-2.0
"""Procfile: one process type a line."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.command import parse_command, to_port
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin

_LINE = late(r"([A-Za-z0-9_-]{1,40}):\s*(\S.*)")
_CONFIDENCE = {"web": 0.95, "agent": 0.8, "api": 0.8, "app": 0.7, "worker": 0.6}


def _read(repo: Repo, claims: Claims) -> None:
    lines = [(number, line.strip()) for number, line in enumerate(repo.lines("Procfile")[:50], 1)]
    found = [(match[1], match[2], number) for number, line in lines if (match := _LINE.fullmatch(line))]
    services = [one for one in found if one[0] in _CONFIDENCE]
    for kind, text, number in sorted(services, key=lambda one: -_CONFIDENCE[one[0]]):
        command = parse_command(text)
        if command.refused:
            claims.warn(f"Procfile:{number}: the {kind} command is not a plain command line: {command.refused}")
            continue
        line, sure = repo.line("Procfile", number), _CONFIDENCE[kind]
        claims.start(command.argv, Origin.DOCUMENTED, file="Procfile", line=number, rule=f"procfile.{kind}",
                     confidence=sure, text=line)  # fmt: skip
        if port := to_port(command.defaults.get("PORT")):
            claims.add("port", port, Origin.DOCUMENTED, file="Procfile", line=number, rule="procfile.port-default",
                       confidence=sure, text=line)  # fmt: skip
        return


RULES = Ruleset(
    wants=lambda paths: ["Procfile"] if "Procfile" in paths else [],
    read=_read,
    rank=10,
    looks_for=("Procfile with a `web:` line",),
)
