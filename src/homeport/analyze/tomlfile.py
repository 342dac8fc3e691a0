# SPDX-License-Identifier: Apache-2.0
"""TOML of strangers: parsed within bounds, or not at all."""

from __future__ import annotations

import tomllib
from typing import Any

_CHARS = 131_072
_LINE = 4_000
_PARTS = 30


def read_toml(text: str) -> dict[str, Any] | None:
    """What stands in it; None for what is broken, too large, or nested without need."""
    if len(text) > _CHARS:
        return None
    for line in text.split("\n"):
        if len(line) > _LINE or line.count("[") > _PARTS or (line.count(".") > _PARTS and '"' not in line):
            return None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def table(data: object, *keys: str) -> dict[str, Any]:
    """A table within it; {} for anything else."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def text_of(data: object) -> str:
    """A text; "" for anything else."""
    return data if isinstance(data, str) else ""
