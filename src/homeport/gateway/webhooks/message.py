# SPDX-License-Identifier: Apache-2.0
"""What a receiver gets: Standard Webhooks (https://www.standardwebhooks.com), version 1. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from homeport.gateway.core.retry import retry_after
from homeport.gateway.sealing import shown_target
from homeport.gateway.times import rfc3339
from homeport.model.redaction import redact
from homeport.model.request import Headers
from homeport.model.webhook import Change

GIVE_UP_US = 24 * 3600 * 10**6
"""After so long without success a change is given up."""
_FIRST_S, _LONGEST_S = 2.0, 2 * 3600.0
LONGEST_SAID = 200


def body_of(change: Change) -> bytes:
    """The same bytes at every attempt: neither bodies nor headers of the request, nothing that opens anything."""
    data: dict[str, Any] = {
        "id": change.request,
        "namespace": change.namespace,
        "agent": change.agent,
        "state": change.state.value,
        "method": change.method,
        "target": shown_target(change.target),
        "status": change.status or None,
        "outcome": redact(change.outcome),
        "attempts": change.attempts,
        "status_url": f"/requests/{change.request}",
    }
    return _json(f"request.{change.state}", change.at_us, data)


def trial_body(name: str, at_us: int) -> bytes:
    return _json("webhook.test", at_us, {"webhook": name})


def _json(kind: str, at_us: int, data: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "timestamp": rfc3339(at_us), "data": data}, separators=(",", ":")).encode()


def signed(message_id: str, body: bytes, keys: Sequence[bytes], *, at_s: int) -> Headers:
    """Its headers: one signature for each key, so that a receiver may know the old one or the new one."""
    content = f"{message_id}.{at_s}.".encode() + body
    marks = [b"v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys]
    return (
        (b"Content-Type", b"application/json"),
        (b"webhook-id", message_id.encode()),
        (b"webhook-timestamp", str(at_s).encode()),
        (b"webhook-signature", b" ".join(marks)),
    )


def next_try_us(change: Change, headers: Headers, *, now_us: int, chance: float) -> int | None:
    """When to send it again, after `change.tries` tries before this one; None: no more. `chance` is from 0 to 1.

    Exponential with jitter from 2 seconds to 2 hours; `Retry-After` makes it later.
    """
    last_us = (change.since_us or change.at_us) + GIVE_UP_US
    delay_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(change.tries, 30)) * (0.5 + chance / 2)
    asked = retry_after(headers, now_us)
    at_us = now_us + int(max(delay_s, asked or 0.0) * 1e6)
    if at_us <= last_us:
        return at_us
    # One last try just before the end, unless there was one or somebody asked for longer.
    return last_us if last_us > now_us + 60 * 10**6 and not asked else None


def extract(data: bytes) -> str:
    """The beginning of an answer, as it may be shown: one line, no control characters, no credentials."""
    text = redact(data[: 8 * LONGEST_SAID].decode("utf-8", "replace"))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_SAID]
