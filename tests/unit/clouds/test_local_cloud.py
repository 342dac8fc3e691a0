# SPDX-License-Identifier: Apache-2.0
"""This machine as a cloud."""

from __future__ import annotations

import asyncio
import os

import pytest

from homeport.drivers.clouds.local import LocalCloud, Options, measure
from homeport.errors import HomeportError
from homeport.model.money import FREE
from homeport.testing.clocks import START_US, ManualClock


async def test_this_machine_is_offered_free_with_what_it_really_has(tmp_path):
    [offer] = await LocalCloud(Options(tmp_path / "not" / "yet" / "machines.json")).offers()
    assert offer.hourly == FREE
    assert offer.cpus == len(os.sched_getaffinity(0))
    assert 0 < offer.memory_bytes <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert offer.disk_bytes > 0
    assert not (tmp_path / "not").exists(), "an offer changes nothing"


async def test_machines_are_remembered_over_restarts_and_the_same_tag_is_the_same_machine(tmp_path):
    options = Options(tmp_path / "machines.json")
    cloud = LocalCloud(options, ManualClock())
    [offer] = await cloud.offers()
    first = await cloud.create(offer, namespace="default", owner_tag="0123456789ab", name="billing")
    assert (first.id, first.address, first.created_at_us) == ("local-0123456789ab", "", START_US)
    again = LocalCloud(options)
    assert await again.find("0123456789ab") == first
    assert await again.create(offer, namespace="default", owner_tag="0123456789ab", name="billing") == first


async def test_machines_taken_at_the_same_time_are_all_on_the_register(tmp_path):
    clouds = [LocalCloud(Options(tmp_path / "machines.json")) for _ in range(8)]
    [offer] = await clouds[0].offers()
    await asyncio.gather(
        *(c.create(offer, namespace="n", owner_tag=f"{n:012x}", name="a") for n, c in enumerate(clouds))
    )
    assert len(await clouds[0].owned()) == 8


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"machines": {"a": {"id": 3}}}', '{"machines": 1}', "\x00"])
async def test_a_damaged_register_is_an_error_that_says_so_and_is_not_overwritten(tmp_path, text):
    register = tmp_path / "machines.json"
    register.write_text(text)
    cloud = LocalCloud(Options(register))
    [offer] = await cloud.offers()
    for question in (cloud.owned(), cloud.create(offer, namespace="n", owner_tag="0" * 12, name="a")):
        with pytest.raises(HomeportError, match="register of machines"):
            await question
    assert register.read_text() == text


def test_graphics_cards_are_counted_from_what_the_kernel_lists(tmp_path):
    assert measure.gpus(tmp_path) == 0
    for card in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "proc/driver/nvidia/gpus" / card).mkdir(parents=True)
    assert measure.gpus(tmp_path) == 2


def test_a_graphics_card_behind_wsl_counts_as_one(tmp_path):
    for path in ("dev/dxg", "usr/lib/wsl/lib/nvidia-smi"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert measure.gpus(tmp_path) == 1
