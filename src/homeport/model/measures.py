# SPDX-License-Identifier: Apache-2.0
"""Sizes and spans of time as people write them, read in one way everywhere: 1 MB is 10^6 bytes, 1 MiB is 2^20."""

from __future__ import annotations

import re

_BYTES = {
    "": 1, "b": 1, "k": 10**3, "kb": 10**3, "ki": 2**10, "kib": 2**10, "m": 10**6, "mb": 10**6, "mi": 2**20,
    "mib": 2**20, "g": 10**9, "gb": 10**9, "gi": 2**30, "gib": 2**30, "t": 10**12, "tb": 10**12, "ti": 2**40,
    "tib": 2**40,
}  # fmt: skip
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s?([A-Za-z]{0,3})", re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s?(ms|[smhd]?)", re.ASCII)


def size_bytes(value: object) -> int:
    """`512Mi`, `500MB`, `1.5 GiB`, `536870912`; upper and lower case are the same. Raises `ValueError`."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else _SIZE.fullmatch(_number(value))
    unit = _BYTES.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError("expected a size, for example 500MB (10^6 bytes each) or 500MiB (2^20 each)")
    return round(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit


def span_seconds(value: object) -> float:
    """`90`, `90s`, `500ms`, `10m`, `1.5h`, `7d`, none of them negative. Raises `ValueError`."""
    found = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else _SPAN.fullmatch(_number(value))
    if found is None:
        raise ValueError("expected a time, for example 90s, 10m, 2h or 7d")
    return float(found[1]) * _SECONDS[found[2]]


def _number(value: object) -> str:
    """As it would have been written; "" for what is none."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""
