# SPDX-License-Identifier: Apache-2.0
"""The words in which ages and quotas are set."""

from __future__ import annotations

import re
from dataclasses import replace

from homeport.errors import UsageError
from homeport.model.kept import Retention, Rule

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_FIELDS = {
    "completed": "completed_s",
    "failed": "failed_s",
    "dead": "dead_s",
    "requests": "requests",
    "bytes": "bytes",
}


def retention(given: dict[str, str], agents: str = "") -> Retention:
    """`given`: completed, failed and dead as 90s, 12h, 7d; requests as a number; bytes as 500MiB. "0" is no limit,
    "" the default. `agents`: `NAMESPACE/AGENT: completed=30d, bytes=10GiB; …`, with * and ? in the names.

    Raises `UsageError` naming what cannot be read.
    """
    rule = _changed(Rule(), given, "HOMEPORT_RETENTION_")
    exceptions = []
    for part in filter(None, (part.strip() for part in agents.split(";"))):
        pattern, colon, changes = part.partition(":")
        pairs = [pair.partition("=") for pair in changes.split(",")]
        if not colon or "/" not in pattern or not all(equals for _, equals, _ in pairs):
            raise _wrong("HOMEPORT_RETENTION_AGENTS", part, "for example default/mail: completed=30d, requests=1000")
        values = {name.strip().lower(): value for name, _, value in pairs}
        exceptions.append((pattern.strip(), _changed(rule, values, "HOMEPORT_RETENTION_AGENTS: ")))
    return Retention(rule, tuple(exceptions))


def _changed(rule: Rule, values: dict[str, str], where: str) -> Rule:
    changes: dict[str, int] = {}
    for name, raw in values.items():
        text = raw.strip()
        if not text:
            continue
        if name not in _FIELDS:
            raise _wrong(where, name, f"one of: {', '.join(_FIELDS)}")
        read = _count if name == "requests" else _size if name == "bytes" else _age
        found = read(text)
        if found is None or found > 1 << 62:
            raise _wrong(where + name, text, "ages as 12h or 7d, requests as 100000, bytes as 500MiB; 0 is no limit")
        changes[_FIELDS[name]] = found
    return replace(rule, **changes)


def _age(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text.lower(), re.ASCII)
    return int(match[1]) * _SECONDS[match[2] or "s"] if match else None


def _size(text: str) -> int | None:
    match = re.fullmatch(r"(\d{1,18}) ?([kmgt]?)(i?b)?", text.lower(), re.ASCII)
    return int(match[1]) * _BYTES[match[2]] if match else None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,12}", text, re.ASCII) else None


def _wrong(where: str, text: str, hint: str) -> UsageError:
    return UsageError(f"{where.strip(': ')}: {text!r} cannot be read", operation="read settings", hint=hint)
