# SPDX-License-Identifier: Apache-2.0
"""Where a record lives: a namespace and a key. The same rules in every store, so that records can move."""

from __future__ import annotations

from homeport.errors import UsageError

LONGEST = 512
"""Bytes of UTF-8 in a namespace or a key: what every store we know can index."""


def check_place(namespace: str, key: str) -> None:
    """Raises `UsageError` unless both are 1 to 512 bytes of printable text."""
    for what, text in (("namespace", namespace), ("key", key)):
        try:
            size = len(text.encode())
        except UnicodeEncodeError:
            size = 0
        if not 0 < size <= LONGEST or not text.isprintable():
            shown = ascii(text)[:80]
            raise UsageError(f"{shown} cannot be a {what}: 1 to {LONGEST} bytes of printable text", subject=shown)


def end_of_prefix(prefix: str) -> str | None:
    """The smallest text above everything that starts with `prefix`; None where there is no end."""
    rest = prefix
    while rest:
        following = ord(rest[-1]) + 1
        if following == 0xD800:
            following = 0xE000
        if following <= 0x10FFFF:
            return rest[:-1] + chr(following)
        rest = rest[:-1]
    return None
