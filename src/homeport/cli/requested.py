# SPDX-License-Identifier: Apache-2.0
"""One stored request for people: what became of it, what was asked, what was answered."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from homeport.model.size import as_size

_FACTS = {
    "outcome": "outcome", "attempts": "attempts", "accepted_at": "accepted", "answered_at": "answered", "key": "key",
    "unreadable": "unreadable", "response_url": "answer at",
}  # fmt: skip


def sheet(found: dict[str, Any]) -> Iterator[str]:
    """Lines. Bodies as text where they are text; they are base64 in `found`, up to the size that was asked for."""
    yield f"{'id:':12}{found['id']}"
    yield f"{'agent:':12}{found.get('agent', '')}"
    yield f"{'state:':12}{found.get('state', '')}"
    for name, label in _FACTS.items():
        if found.get(name) not in (None, ""):
            yield f"{label + ':':12}{found[name]}"
    yield ""
    yield f"{found.get('method', '')} {found.get('target', '')}".strip()
    yield from _part(found, "", found.get("bytes"))
    if found.get("status") is not None:
        yield ""
        yield f"answer {found['status']}"
        yield from _part(found, "response_", found.get("response_bytes"))


def _part(found: dict[str, Any], prefix: str, size: int | None) -> Iterator[str]:
    for name, value in found.get(f"{prefix}headers") or ():
        yield f"{name}: {value}"
    if not size:
        return
    yield ""
    data = base64.b64decode(found.get(f"{prefix}body") or "")
    if not data:
        yield f"[{as_size(size)}, not shown]"
        return
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        # A character that the end of what is shown cuts in two is no reason to call it binary.
        if size == len(data) or error.start < len(data) - 3:
            yield f"[{as_size(size)}, not text: --json has it in base64]"
            return
        text = data[: error.start].decode()
    yield text.removesuffix("\n")
    if size > len(data):
        yield f"[the first {as_size(len(data))} of {as_size(size)}]"
