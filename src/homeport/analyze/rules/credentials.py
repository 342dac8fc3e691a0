# SPDX-License-Identifier: Apache-2.0
"""Keys and passwords that it will ask for, by name: read in code, left open in a compose file, exported in a README.

Values are never taken."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset

_NAME = r"[A-Z][A-Z0-9_]{0,60}(?:API_?KEY|ACCESS_KEY(?:_ID)?|_KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)"
_READ = late(
    rf"(?:getenv|environ(?:\.get)?|process\.env|Getenv|LookupEnv|env::var|ENV)[\[(.]{{1,2}}\s{{0,2}}[\"']?({_NAME})\b"
)
_OPEN = late(
    rf"\$\{{({_NAME})(?::?\?[^}}]{{0,80}})?\}}|^\s{{0,12}}-\s({_NAME})\s{{0,2}}$|^\s{{0,12}}({_NAME}):\s{{0,2}}$"
)
_EXPORT = late(rf"(?:^|\s)(?:export|-e|--env|set|setx)\s({_NAME})\b")
_TOLD = late(rf"(?i:\b(?:set|provide|need|require|add|put|get|your|obtain)\b)[^.]{{0,80}}?\b({_NAME})\b")
_CODE = (".py", ".js", ".ts", ".mjs", ".go", ".rs")
_MOST_FILES, _MOST_LINES = 120, 1500


def _read(repo: Repo, claims: Claims) -> None:
    for file in _files(repo.paths):
        name = file.rpartition("/")[2].lower()
        if name.startswith("readme"):
            patterns: tuple[re.Pattern[str], ...] = (_EXPORT, _TOLD)
        else:
            patterns = (_OPEN,) if name.endswith((".yml", ".yaml")) else (_READ,)
        text = repo.text(file)
        if not any(word in text for word in ("KEY", "TOKEN", "SECRET", "PASS", "CREDENTIALS")):
            continue
        for number, line in enumerate(repo.lines(file)[:_MOST_LINES], 1):
            for pattern in patterns:
                for found in pattern.finditer(line):
                    asked = next(part for part in found.groups() if part)
                    claims.asks_for(asked, file=file, line=number, rule="credentials.asked", text=line)


@once
def _files(paths: Paths) -> list[str]:
    """READMEs and compose files of the root, and the code nearest to it."""
    documents = [path for path in paths.named("README.md", "README.rst") if "/" not in path]
    compose = paths.named("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml", depth=1)
    code = paths.ending(*_CODE, depth=2)
    own = sorted((path for path in code if not in_the_way(path)), key=lambda path: (path.count("/"), path))
    return [*documents, *compose, *own][:_MOST_FILES]


@once
def _wants(paths: Paths) -> list[str]:
    """Of code only what other rules read anyway."""
    return [path for path in _files(paths) if not path.endswith(_CODE)]


RULES = Ruleset(wants=_wants, read=_read, rank=85)
