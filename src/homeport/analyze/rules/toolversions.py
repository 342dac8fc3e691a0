# SPDX-License-Identifier: Apache-2.0
"""Files that pin tools of several languages at once: asdf's `.tool-versions`, mise.toml, `.sdkmanrc`."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice
from homeport.model.requirements import Ecosystem

_FILES = (".tool-versions", "mise.toml", ".mise.toml", ".sdkmanrc")
_TOOLS = {
    "golang": Ecosystem.GO, "go": Ecosystem.GO, "rust": Ecosystem.RUST, "java": Ecosystem.JAVA, "php": Ecosystem.PHP,
    "ruby": Ecosystem.RUBY, "dotnet": Ecosystem.DOTNET, "dotnet-core": Ecosystem.DOTNET, "r": Ecosystem.R,
    "julia": Ecosystem.JULIA, "elixir": Ecosystem.ELIXIR, "nodejs": Ecosystem.NODE, "node": Ecosystem.NODE,
    "python": Ecosystem.PYTHON,
}  # fmt: skip
_LINE = late(
    r"^\s{0,4}[\"']?([a-zA-Z][\w-]{0,30})[\"']?\s{0,4}[ \t=]\s{0,4}[\[\"']{0,2}"
    r"(?:[a-z][a-z-]{0,20}-)?v?(\d{1,3}(?:\.\d{1,4}){0,2})",
    re.M,
)


def _read(repo: Repo, claims: Claims) -> None:
    for file in _FILES:
        if not repo.text(file):
            continue
        seen: set[Ecosystem] = set()
        for found, line in Voice(repo, claims, Ecosystem.UNKNOWN).hits(file, _LINE, ("#",), most=60):
            one = _TOOLS.get(found[1].lower())
            if one and one not in seen:
                seen.add(one)
                Voice(repo, claims, one).version(found[2], "tool-versions", 0.85, file, line, minimum=False)


RULES = Ruleset(wants=lambda paths: [one for one in _FILES if one in paths], read=_read)
