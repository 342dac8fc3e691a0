# SPDX-License-Identifier: Apache-2.0
"""`.env.example` and its kin: names of variables it asks for. Values are never taken, a real `.env` never read."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset

_NAMES = (".env.example", ".env.sample", ".env.template", "env.example")
_LINE = re.compile(r"\s{0,4}(?:export\s)?([A-Za-z_][A-Za-z0-9_]{0,99})\s{0,3}=")


def _read(repo: Repo, claims: Claims) -> None:
    for file in _NAMES:
        for line in repo.lines(file)[:300]:
            if found := _LINE.match(line):
                claims.asks_for(found[1])


RULES = Ruleset(wants=lambda paths: [name for name in _NAMES if name in paths], read=_read)
