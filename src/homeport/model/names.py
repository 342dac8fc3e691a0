# SPDX-License-Identifier: Apache-2.0
"""Names and ids as people see them."""

from __future__ import annotations

import re

from homeport.errors import UsageError

DEFAULT_NAMESPACE = "default"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123): 1 to 63 of lower-case letters, digits and inner hyphens."""

RESERVED = frozenset(
    "up analyze plan apply deploy catalog list inspect logs invoke requests start stop restart remove events token "
    "secret audit serve store backup restore status doctor version completion help all none self gateway keeper server "
    "discover health metrics webhooks".split()
)
"""Verbs and own names: an agent called so could not be told from them on a command line or in a URL."""


def check_name(name: str, what: str = "agent") -> str:
    """The name itself, or `UsageError` saying what a name must look like."""
    if not LABEL.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid {what} name",
            subject=name,
            hint=f"use 1 to 63 lower-case letters, digits and inner hyphens, for example {suggest_name(name)!r}",
        )
    if what == "agent" and name in RESERVED:
        raise UsageError(f"{name!r} is reserved", subject=name, hint=f"try {name + '-agent'!r}")
    return name


def suggest_name(text: str) -> str:
    """A valid name from anything: a URL, a folder, an image."""
    last = text.rstrip("/").removesuffix(".git").rsplit("/", 1)[-1].lower()
    label = re.sub(r"[^a-z0-9]+", "-", last).strip("-")[:63].strip("-") or "agent"
    return f"{label}-agent" if label in RESERVED else label
