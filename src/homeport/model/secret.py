# SPDX-License-Identifier: Apache-2.0
"""A secret as it is stored: sealed, and bound to its place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.errors import UsageError
from homeport.model.codec import stored_as

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
LONGEST_VALUE = 64 * 1024
SHORTEST_REDACTED = 4
"""Characters. A shorter value cannot be told from ordinary text, so it is not masked in logs."""


@stored_as("secret")
@dataclass(frozen=True, slots=True)
class Secret:
    """`sealed` is the sealer's text of namespace, name and value together: a record moved elsewhere is refused."""

    sealed: str


def check_secret_name(name: str) -> str:
    """The name itself, or `UsageError` saying what one looks like."""
    if not NAME.fullmatch(name):
        shown = ascii(name)[:80]
        raise UsageError(
            f"{shown} is not a valid secret name",
            subject=shown,
            hint="use 1 to 128 letters, digits, _ . -, beginning with a letter or _, for example OPENAI_API_KEY",
        )
    return name
