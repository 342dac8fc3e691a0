# SPDX-License-Identifier: Apache-2.0
"""The Prefer header (RFC 7240): what of it is for the gateway, and what goes on to the agent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from homeport.model.request import Headers

LONGEST_WAIT_S = 300.0
_OURS = (b"wait", b"respond-async")
_PREFERENCE = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+', re.DOTALL)
"""Up to the next comma outside quotes; a quote that is not closed goes to the end, so that this is linear."""


def wait_preference(value: bytes | None, most: float = LONGEST_WAIT_S) -> float | None:
    """Seconds of `wait=N`, capped; None where it is absent or not a number."""
    for name, number in _preferences(value):
        if name == b"wait":
            return min(float(number), most) if number.isdigit() and len(number) < 10 else None
    return None


def prefers_async(value: bytes | None) -> bool:
    return any(name == b"respond-async" for name, _ in _preferences(value))


def left_over(headers: Headers) -> Headers:
    """The Prefer headers without what the gateway applies: a Prefer of the agent's own still reaches it."""
    kept = []
    for name, value in headers:
        if name.lower() == b"prefer":
            pieces = [piece.strip() for piece in _PREFERENCE.findall(value)]
            rest = b", ".join(piece for piece in pieces if piece and _parted(piece)[0] not in _OURS)
            if rest:
                kept.append((name, rest))
    return tuple(kept)


def _preferences(value: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    """Those that are ours. What follows one after ";" is taken as one of ours too: `respond-async; wait=7` is seen."""
    for piece in _PREFERENCE.findall(value) if value else ():
        if _parted(piece)[0] in _OURS:
            yield from map(_parted, piece.split(b";"))


def _parted(preference: bytes) -> tuple[bytes, bytes]:
    """Name in lower case, and value without quotes."""
    name, _, value = preference.partition(b";")[0].partition(b"=")
    return name.strip().lower(), value.strip().strip(b'"')
