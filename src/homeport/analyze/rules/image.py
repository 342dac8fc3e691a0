# SPDX-License-Identifier: Apache-2.0
"""A container image, by what it says of itself: `image.json`, one fact a line. Only where the source is an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import to_port
from homeport.analyze.repo import Repo
from homeport.analyze.routes import healthcheck
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.paths import printable
from homeport.model.requirements import Ecosystem
from homeport.model.source import SourceKind

_FILE = "image.json"
_LONGEST = 4096


def _read(repo: Repo, claims: Claims) -> None:
    if repo.source.kind is not SourceKind.IMAGE:
        return
    try:
        facts = json.loads(repo.text(_FILE))
    except (ValueError, RecursionError):
        claims.warn("what the image says of itself cannot be read")
        facts = {}

    def claim(field: Field, value: object, key: str, confidence: float) -> None:
        line = repo.find(_FILE, f'"{key}": ')
        claims.add(field, value, Origin.CONTAINER, file=_FILE, line=line, rule=f"image.{key}", confidence=confidence,
                   text=repo.line(_FILE, line))  # fmt: skip

    claim("ecosystem", Ecosystem.IMAGE, "id", 1.0)
    claim("image", repo.source.locator, "reference", 1.0)
    entrypoint, command = _words(facts, "entrypoint"), _words(facts, "command")
    if words := entrypoint + command:
        if all(word.isprintable() and len(word) <= _LONGEST for word in words):
            claim("start", words, "entrypoint" if entrypoint else "command", 1.0)
    else:
        claims.warn("the image names no command: say one with --start")
    for field, key, confidence in (("port", "port", 0.95), ("ports", "ports", 0.9)):
        value = facts.get(field)
        first = value[0] if isinstance(value, list) and value else value
        if (port := to_port(first)) is not None:
            claim("port", port, key, confidence)
    if isinstance(ports := facts.get("ports"), list) and len(ports) > 1:
        listed = printable(", ".join(str(one) for one in ports[:10]), 100)
        claims.warn(f"the image listens on {listed}: one of them is used; choose with --port")
    path, port = healthcheck(" ".join(_words(facts, "health")))
    if path:
        claim("health_path", path, "health", 0.9)
    if port:
        claim("port", port, "health", 0.8)


def _words(facts: dict[str, Any], key: str) -> tuple[str, ...]:
    value = facts.get(key)
    return tuple(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else ()


def _wants(paths: Sequence[str]) -> list[str]:
    return [_FILE] if list(paths) == [_FILE] else []


RULES = Ruleset(wants=_wants, read=_read, rank=5)
