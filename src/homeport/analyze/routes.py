# SPDX-License-Identifier: Apache-2.0
"""Paths that programs answer health checks on, and how sure one is on meeting them as a route."""

from __future__ import annotations

import re

HEALTH = {
    "/health": 0.8,
    "/healthz": 0.79,
    "/api/health": 0.74,
    "/health/live": 0.73,
    "/livez": 0.72,
    "/live": 0.6,
    "/health/ready": 0.6,
    "/readyz": 0.6,
    "/ready": 0.6,
    "/-/healthy": 0.6,
    "/ping": 0.5,
    "/status": 0.4,
}

_ASKED = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::([\w${}:-]{1,30}))?(?:(/[!#-&(-~]{0,200})|$|[\s\"'|])"
)


def healthcheck(command: str) -> tuple[str, int]:
    """The path and the port that an image's HEALTHCHECK asks by HTTP; "" and 0 for what it does not say."""
    found = _ASKED.search(command[:8000])
    if not found:
        return "", 0
    port = found[1] or ""
    plain = int(port) if port.isascii() and port.isdigit() and 0 < int(port) < 65536 else 0
    return (found[2] or "").rstrip(")\"'\\]"), plain
