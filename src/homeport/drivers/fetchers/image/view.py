# SPDX-License-Identifier: Apache-2.0
"""An image as analysis sees it: one file of JSON, a fact a line, so that evidence has lines to point at."""

from __future__ import annotations

import json
from collections.abc import Sequence

from homeport.errors import NotFound
from homeport.interfaces.images import ImageFacts
from homeport.model.source import Source, SourceEntry, Statement

NAME = "image.json"
_MOST = 200
_LONGEST = 4096


class ImageView:
    """Holds nothing open."""

    skipped: tuple[str, ...] = ()
    said: tuple[Statement, ...] = ()

    def __init__(self, source: Source, facts: ImageFacts) -> None:
        self.source = source
        self._data = written(facts)

    def entries(self) -> Sequence[SourceEntry]:
        return (SourceEntry(NAME, len(self._data)),)

    def read(self, path: str, limit: int = 262_144) -> bytes:
        if path != NAME:
            raise NotFound(f"no file {path!r} in this source", operation="read", subject=path)
        return self._data[:limit]

    def read_many(self, paths: Sequence[str], limit: int = 262_144) -> dict[str, bytes]:
        return {path: self.read(path, limit) for path in paths}

    def close(self) -> None:
        """Nothing is held."""


def written(facts: ImageFacts) -> bytes:
    """Of the environment only PORT, and no labels: the rest is large, hostile, or secret."""
    fields: dict[str, object] = {
        "id": facts.id,
        "reference": facts.reference,
        "architecture": facts.architecture[:100],
        "entrypoint": _cut(facts.entrypoint),
        "command": _cut(facts.command),
        "ports": list(facts.ports[:_MOST]),
        "port": facts.env.get("PORT", "")[:10],
        "health": _cut(facts.health),
        "user": facts.user[:100],
        "size": facts.size,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in fields.items()]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def _cut(words: Sequence[str]) -> list[str]:
    return [word[:_LONGEST] for word in words[:_MOST]]
