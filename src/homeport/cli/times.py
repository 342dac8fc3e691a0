# SPDX-License-Identifier: Apache-2.0
"""Times as people write and read them."""

from __future__ import annotations

from datetime import UTC, datetime

from homeport.errors import UsageError
from homeport.model.measures import span_seconds


def seconds(text: str, flag: str) -> float:
    """`90`, `90s`, `10m`, `2h`, `7d` as seconds. Raises `UsageError`."""
    try:
        return span_seconds(text)
    except ValueError:
        hint = "for example 90s, 10m, 2h, 7d"
        raise UsageError(f"{flag}: {text!r} is not a duration", operation="parse", hint=hint) from None


def since_us(text: str, now_us: int) -> int:
    """A duration ago, or an RFC 3339 time, as microseconds since the epoch. Raises `UsageError`."""
    if "T" not in text:
        return max(0, now_us - round(seconds(text, "--since") * 1e6))
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since: {text!r} is not a time", operation="parse", hint="for example 10m, or 2026-01-31T08:00:00Z"
        ) from None
    return max(0, round((then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() * 1e6))


def shown(at_us: int) -> str:
    """RFC 3339 in UTC with milliseconds; "-" for never."""
    if not at_us:
        return "-"
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
