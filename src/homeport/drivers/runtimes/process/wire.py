# SPDX-License-Identifier: Apache-2.0
"""What goes over keeper.sock: one JSON object a line.

Request `{"id", "op", ...}`; answer `{"id", "ok"}` or `{"id", "error": {"type", "message", "hint"}}`. The op `events`
is answered by `{"id", "event"}` lines for ever. Operations: start, stop, forget, list, events, confinement, status,
shutdown. An instance is shown with the fields of `model.instance.InstanceStatus`.
"""

from __future__ import annotations

import json
from typing import Any

MAX_LINE = 16 * 1024 * 1024
"""Bytes of one request; longer ones end the connection."""


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Raises ValueError for anything that is not one JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message
