# SPDX-License-Identifier: Apache-2.0
"""Clocks and ids, real and fake."""

from __future__ import annotations

import time

import pytest

from homeport.drivers.clocks.system import SystemClock, UlidIds
from homeport.testing.clocks import START_US, ManualClock, SequentialIds


def test_the_system_clock_tells_microseconds_of_now_and_a_time_that_never_goes_back():
    clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.now_us() <= time.time_ns() // 1000
    assert clock.monotonic() <= clock.monotonic()


def test_an_id_tells_its_millisecond():
    clock = ManualClock(1_469_918_176_385_000)
    assert UlidIds(clock).new("agt").startswith("agt_01aryz6s41")  # the example of the ULID specification


def test_a_manual_clock_stands_until_moved_and_its_wall_may_jump():
    clock = ManualClock()
    clock.advance(1.5)
    clock.jump(-3600)
    assert (clock.now_us() - START_US, clock.monotonic()) == (-3_598_500_000, 1.5)
    with pytest.raises(ValueError):
        clock.advance(-1)


def test_sequential_ids_count_per_prefix_and_sort():
    ids = SequentialIds()
    agents = [ids.new("agt") for _ in range(11)]
    assert agents == sorted(agents) and agents[0] == "agt_" + "1".rjust(26, "0")
    assert ids.new("dep").endswith("01")
