# SPDX-License-Identifier: Apache-2.0
"""Procfile: one process type a line."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.command import parse_command, to_port
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin

_LINE = re.compile(r"([A-Za-z0-9_-]{1,40}):\s*(\S.*)")
_CONFIDENCE = {"web": 0.95, "agent": 0.8, "api": 0.8, "app": 0.7, "worker": 0.6}


def _read(repo: Repo, claims: Claims) -> None:
    for number, line in enumerate(repo.lines("Procfile")[:50], 1):
        found = _LINE.fullmatch(line.strip())
        if not found or found[1] not in _CONFIDENCE:
            continue
        command = parse_command(found[2])
        if command.refused:
            claims.warn(f"Procfile:{number}: the {found[1]} command is not a plain command line: {command.refused}")
            continue
        rule, confidence = f"procfile.{found[1]}", _CONFIDENCE[found[1]]
        claims.start(
            command.argv, Origin.DOCUMENTED, file="Procfile", line=number, rule=rule, confidence=confidence, text=line
        )
        port = to_port(command.defaults.get("PORT"))
        if port is not None:
            claims.add(
                "port",
                port,
                Origin.DOCUMENTED,
                file="Procfile",
                line=number,
                rule="procfile.port-default",
                confidence=confidence,
                text=line,
            )


RULES = Ruleset(
    wants=lambda paths: ["Procfile"] if "Procfile" in paths else [],
    read=_read,
    rank=10,
    looks_for=("Procfile with a `web:` line",),
)
