# SPDX-License-Identifier: Apache-2.0
"""How many bytes, for people to read."""

from __future__ import annotations


def as_size(count: float) -> str:
    """`512 B`, `7.76 GiB`, `80 GiB`, `2 TiB`: three digits, and none that say nothing."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            break
        count, unit = count / 1024, larger
    return f"{count:.3g} {unit}" if count < 100 else f"{count:.0f} {unit}"
