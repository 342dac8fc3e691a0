# SPDX-License-Identifier: Apache-2.0
"""How an agent's log lies on disk: written by the keeper, read by the driver.

`<agent_id>/current.log`, and `1.log` (newest) to `3.log` after rotation; a line is
`2026-01-31T12:00:00.000000Z out INSTANCE text`, UTF-8, ended by one newline.
"""

from __future__ import annotations

import time

CURRENT = "current.log"
KEPT = 3
MAX_LINE = 16 * 1024
_SECONDS = "%Y-%m-%dT%H:%M:%S"


def stamp(at_us: int) -> str:
    seconds, micros = divmod(at_us, 1_000_000)
    return f"{time.strftime(_SECONDS, time.gmtime(seconds))}.{micros:06d}Z"


def older_first() -> list[str]:
    return [*(f"{number}.log" for number in range(KEPT, 0, -1)), CURRENT]


def parse(line: bytes) -> tuple[int, str, str, str] | None:
    """(at_us, stream, instance, text), or None for a line that is not ours (cut off by a full disk)."""
    import calendar

    try:
        when, stream, instance, text = line.decode("utf-8", "replace").split(" ", 3)
        seconds = calendar.timegm(time.strptime(when[:19], _SECONDS))
        if len(when) != 27 or when[19] != "." or when[26] != "Z" or stream not in ("out", "err", "sys"):
            return None
        return seconds * 1_000_000 + int(when[20:26]), stream, instance, text
    except ValueError:
        return None
