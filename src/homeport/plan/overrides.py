# SPDX-License-Identifier: Apache-2.0
"""What the user said outranks all that was found, and shows as such."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from homeport.errors import UsageError
from homeport.model import quantity
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.paths import printable
from homeport.model.requirements import Requirements


def _words(value: object) -> tuple[str, ...]:
    words = tuple(shlex.split(str(value)))
    if not words or len(words) > 128 or any(not word.isprintable() for word in words):
        raise ValueError("expected a command line, for example 'python main.py'")
    if any(set(word) <= set(";&|<>") for word in words):
        raise ValueError("a shell is not used: put the commands into a script and start that")
    return words


OVERRIDES: dict[str, tuple[str, Callable[[object], object]]] = {
    "start": ("start", _words),
    "port": ("port", quantity.port),
    "health": ("health_path", quantity.health_path),
    "memory": ("memory_bytes", quantity.memory_bytes),
    "gpu": ("gpu", quantity.gpu),
    "delivery": ("delivery", quantity.delivery),
    "idempotency": ("honours_keys", quantity.honours_keys),
    "version": ("runtime_version", quantity.version),
}
"""What may be overridden, by the name of its flag: the field of Requirements, and how its text is read."""


def apply_overrides(requirements: Requirements, overrides: Mapping[str, str]) -> Requirements:
    """The requirements with the user's values in place. Raises `UsageError` naming the flag.

    Values that are "" were not given. `runtime` is "python3.12" or the like: ecosystem and version in one.
    """
    changes: dict[str, Any] = {}
    for flag, text in overrides.items():
        if text == "":
            continue
        try:
            if flag == "runtime":
                ecosystem, version = quantity.runtime(text)
                changes["ecosystem"] = _said(flag, text, ecosystem, requirements.ecosystem)
                if version:
                    changes["runtime_version"] = _said(flag, text, version, requirements.runtime_version)
                continue
            field, read = OVERRIDES[flag]
            changes[field] = _said(flag, text, read(text), getattr(requirements, field))
        except KeyError:
            known = ", ".join([*OVERRIDES, "runtime"])
            raise UsageError(f"{flag!r} cannot be set", operation="plan", hint=f"these can: {known}") from None
        except ValueError as error:
            raise UsageError(f"--{flag} {printable(text, 80)!r}: {error}", operation="plan", subject=flag) from None
    return replace(requirements, **changes)


def _said(flag: str, text: str, value: Any, found: Inferred[Any] | None) -> Inferred[Any]:
    note = ""
    if found is not None and found.value != value and found.origin is not Origin.DEFAULT:
        where = f" ({found.evidence[0].file}:{found.evidence[0].line})" if found.evidence else ""
        was = " ".join(found.value) if isinstance(found.value, tuple) else str(found.value)
        note = f"instead of {printable(was, 100)}{where}"
    evidence = Evidence(file="", line=0, rule=f"user.{flag}", confidence=1.0, quote=printable(text, 160))
    return Inferred(value, Origin.USER, (evidence,), note)
