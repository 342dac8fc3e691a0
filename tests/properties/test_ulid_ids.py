# SPDX-License-Identifier: Apache-2.0
"""Ids sort in the order they were made, whatever the clock does."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from homeport.drivers.clocks.system import UlidIds, encode
from homeport.testing.clocks import ManualClock


@given(st.lists(st.integers(min_value=-10_000_000, max_value=10_000_000), min_size=1, max_size=50))
def test_ids_are_well_formed_unique_and_increasing_though_the_clock_stands_or_goes_back(jumps_us):
    clock = ManualClock()
    ids = UlidIds(clock)
    made = []
    for jump in jumps_us:
        clock.jump(jump / 1_000_000)
        made += [ids.new("req"), ids.new("req")]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"req_[0-7][0-9a-hjkmnp-tv-z]{25}", text) for text in made)


@given(st.integers(0, (1 << 128) - 1), st.integers(0, (1 << 128) - 1))
def test_encoded_numbers_sort_as_the_numbers_do(a, b):
    assert (encode(a) < encode(b)) == (a < b)
    assert len(encode(a)) == 26
