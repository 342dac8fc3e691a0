# SPDX-License-Identifier: Apache-2.0
"""A size or a time means the same wherever it is written: a manifest, a flag, a setting."""

from __future__ import annotations

import pytest

from homeport.cli.times import seconds as flag_seconds
from homeport.gateway.core.retention import retention
from homeport.model.measures import size_bytes, span_seconds
from homeport.model.quantity import disk_bytes, memory_bytes, seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [("500MB", 500 * 10**6), ("500m", 500 * 10**6), ("500MiB", 500 << 20), ("500 mi", 500 << 20), ("1.5G", 15 * 10**8)],
)
def test_a_size_is_the_same_in_a_manifest_and_in_a_setting(text: str, count: int) -> None:
    assert size_bytes(text) == memory_bytes(text) == disk_bytes(text) == count
    assert retention({"bytes": text}).rule.bytes == count


def test_zero_and_plain_numbers_are_bytes() -> None:
    assert [size_bytes(value) for value in ("0", 0, "123456789012345", 7)] == [0, 0, 123456789012345, 7]
    assert size_bytes("999999999999999KB") == 999999999999999000


@pytest.mark.parametrize(
    "wrong", ["", "-1", "1e9", "5 apples", "5XB", "MB", "1..5G", "²", "٣", "9" * 16, True, None, []]
)
def test_what_is_no_size_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        size_bytes(wrong)


@pytest.mark.parametrize(("text", "span"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)])
def test_a_time_is_the_same_in_a_manifest_a_flag_and_a_setting(text: str, span: float) -> None:
    assert span_seconds(text) == seconds(text) == flag_seconds(text, "--ttl") == span
    assert retention({"completed": text}).rule.completed_s == span


@pytest.mark.parametrize("wrong", ["", "-1", "1w", "1e9", "²", "٣s", "soon", "9" * 10, False, None])
def test_what_is_no_time_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        span_seconds(wrong)


def test_a_manifest_waits_for_a_day_at_most() -> None:
    assert (seconds(30), seconds("500ms"), seconds(1.5)) == (30, 0.5, 1.5)
    with pytest.raises(ValueError, match="at most a day"):
        seconds("2d")
