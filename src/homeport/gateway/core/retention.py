# SPDX-License-Identifier: Apache-2.0
"""The words in which ages and quotas are set."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from homeport.errors import UsageError
from homeport.model.kept import Retention, Rule
from homeport.model.measures import size_bytes, span_seconds

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
    changes: dict[str, Any] = {}
    for name, raw in values.items():
        text = raw.strip()
        if not text:
            continue
        if name not in _FIELDS:
            raise _wrong(where, name, f"one of: {', '.join(_FIELDS)}")
        read = _count if name == "requests" else size_bytes if name == "bytes" else span_seconds
        try:
            changes[_FIELDS[name]] = _fitting(read(text.lower()))
        except ValueError:
            hint = "ages as 12h or 7d, requests as 100000, bytes as 500MiB; 0 is no limit"
            setting = where + (name if " " in where else name.upper())
            raise _wrong(setting, text, hint) from None
    return replace(rule, **changes)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise ValueError("expected a number")
    return int(text)


def _fitting(number: float) -> float:
    """Of what journals and clocks can hold. Raises `ValueError`."""
    if number > 1 << 62:
        raise ValueError("expected less")
    return number


def _wrong(where: str, text: str, hint: str) -> UsageError:
    return UsageError(f"{where.strip(': ')}: {text!r} cannot be read", operation="read settings", hint=hint)
