# SPDX-License-Identifier: Apache-2.0
"""Files by which people tell hosts how to run it: Fly, Render, Railway, Nixpacks, Heroku, Cloud Foundry, App Engine."""

from __future__ import annotations

import json
import re

from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import parse_command
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.tomlfile import table
from homeport.model import quantity
from homeport.model.evidence import Origin

_FILES = (
    "fly.toml",
    "render.yaml",
    "railway.json",
    "railway.toml",
    "nixpacks.toml",
    "manifest.yml",
    "app.yaml",
    "app.json",
)
_NUMBER = r"\s{0,4}[:=]\s{0,4}[\"']?(\d{2,5})\b"
_TEXT = r"\s{0,4}[:=]\s{0,4}[\"']?([^\"'\n]{1,300}?)[\"']?\s*,?\s*$"
_RULES: tuple[tuple[Field, float, frozenset[str], re.Pattern[str]], ...] = (
    ("port", 0.8, frozenset({"fly.toml"}), late(r"^\s{0,8}internal_port" + _NUMBER, re.M)),
    ("start", 0.75, frozenset({"render.yaml", "railway.json", "railway.toml"}),
     late(r"^\s{0,12}[\"']?startCommand[\"']?" + _TEXT, re.M)),
    ("start", 0.75, frozenset({"nixpacks.toml"}), late(r"^\[start\]\s{0,4}\n\s{0,4}cmd" + _TEXT, re.M)),
    ("start", 0.7, frozenset({"manifest.yml"}), late(r"^\s{0,8}command" + _TEXT, re.M)),
    ("start", 0.7, frozenset({"app.yaml"}), late(r"^entrypoint" + _TEXT, re.M)),
    ("health_path", 0.85, frozenset({"render.yaml", "railway.json", "railway.toml"}),
     late(r"^\s{0,12}[\"']?health[Cc]heck[pP]ath[\"']?" + _TEXT, re.M)),
    ("health_path", 0.8, frozenset({"manifest.yml"}), late(r"^\s{0,8}health-check-http-endpoint" + _TEXT, re.M)),
    ("health_path", 0.8, frozenset({"fly.toml"}), late(r"^\s{0,8}path" + _TEXT, re.M)),
    ("memory_bytes", 0.6, frozenset({"manifest.yml", "fly.toml"}), late(r"^\s{0,8}memory" + _TEXT, re.M)),
)  # fmt: skip


def _read(repo: Repo, claims: Claims) -> None:
    for file in [one for one in _FILES if repo.text(one)]:
        for field, sure, files, pattern in _RULES:
            text = repo.text(file)[:40_000]
            if file in files and (found := pattern.search(text)):
                line = text.count("\n", 0, found.start(1)) + 1
                _claim(repo, claims, field, found[1].strip(), sure, file, line)
    _read_app(repo, claims)


def _claim(repo: Repo, claims: Claims, field: Field, text: str, sure: float, file: str, line: int) -> None:
    """What does not convert was meant for something else, and is left."""
    rule = f"platforms.{file.partition('.')[0]}"
    if field == "start":
        command = parse_command(text)
        if command.refused:
            claims.warn(f"{file}:{line}: the start command is not a plain command line: {command.refused}")
            return
        claims.start(command.argv, Origin.DOCUMENTED, file=file, line=line, rule=rule, confidence=sure,
                     text=repo.line(file, line))  # fmt: skip
        return
    convert = {"port": quantity.port, "health_path": quantity.health_path, "memory_bytes": quantity.memory_bytes}[field]
    try:
        value = convert(text)
    except ValueError:
        return
    claims.add(field, value, Origin.DOCUMENTED, file=file, line=line, rule=rule, confidence=sure,
               text=repo.line(file, line))  # fmt: skip


def _read_app(repo: Repo, claims: Claims) -> None:
    """app.json of Heroku: the variables it asks for; values are never taken."""
    if not repo.text("app.json"):
        return
    try:
        data = json.loads(repo.text("app.json"))
    except (ValueError, RecursionError):
        return
    for name in list(table(data, "env"))[:60]:
        claims.asks_for(name)


RULES = Ruleset(
    wants=lambda paths: [one for one in _FILES if one in paths],
    read=_read,
    rank=11,
    looks_for=("a start command in render.yaml, railway.json, nixpacks.toml or app.yaml",),
)
