# SPDX-License-Identifier: Apache-2.0
"""What somebody who pays reads: sums with their time, no gamble where something else will do, no absurd advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.cli.plans import plan_lines
from homeport.errors import NoCapacity, UsageError
from homeport.model.limits import Limits
from homeport.model.money import Money
from homeport.model.requirements import GpuNeed, Kind
from planning_rig import GIB, chameleon, guessed, linode, local, needs, planned, why, with_gpus

RTX1, RTX4 = with_gpus(linode("rtx-1", 150, 32), 1, 24), with_gpus(linode("rtx-4", 600, 128), 4, 24)
V100S, A100S = with_gpus(chameleon("v100s"), 4, 32, "7.0"), with_gpus(chameleon("a100s"), 4, 80)
LARGE_MODEL = needs(gpu="needed", kind=Kind.SERVICE, vram_bytes=guessed(165 * GIB))


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (1, "$0.000001"), (99, "$0.000099"), (100, "$0.0001"), (18_000, "$0.018"), (500_001, "$0.50"),
     (999_999, "$1.00"), (1_234_567, "$1.23")],
)  # fmt: skip
def test_no_price_is_shown_as_nothing_or_with_a_bare_point(micros: int, shown: str) -> None:
    assert str(Money(micros)) == shown


def test_no_dollars_are_gambled_where_a_testbed_meets_the_estimate() -> None:
    plan = planned([RTX1, RTX4, V100S, A100S], LARGE_MODEL)
    assert plan.chosen == A100S
    assert why(plan, "rtx-4").startswith("It would cost $6.00 an hour, but: Its 4 GPUs together have 96 GiB")
    assert why(plan, "v100s").endswith("Its 4 GPUs together have 128 GiB of memory, and 165 GiB is the estimate.")
    assert any("the 4 GPUs of a100s together: the work must split it" in text for text in plan.warnings)


def test_what_must_be_split_but_fits_is_no_miss() -> None:
    assert not any("estimate" in text for text in planned([A100S], LARGE_MODEL).warnings)
    asked = planned([RTX4, A100S], LARGE_MODEL, limits=Limits(targets=("linode",)))
    assert asked.chosen == RTX4
    assert any("96 GiB" in text and "165 GiB is the estimate" in text for text in asked.warnings)


def test_a_machine_that_is_ruled_out_is_no_way_to_save() -> None:
    plan = planned([RTX1, RTX4], LARGE_MODEL)
    assert not any("rtx-1" in text for text in plan.cheaper)
    assert why(plan, "rtx-1") == "Its 1 GPU has 24 GiB of memory, and 165 GiB is the estimate."


def test_each_total_is_of_its_own_time() -> None:
    plan = planned([linode("small", 2), linode("dear", 9), chameleon("node")], limits=Limits(targets=("linode",)))
    hours = {one.offer.machine_type: (one.hours, str(one.total)) for one in plan.candidates}
    assert hours == {"small": (0, "$0.02"), "dear": (0, "$0.09"), "node": (24, "24 SU")}
    rows = [line.split()[:3] for line in plan_lines(plan, width=140, every=True)]
    assert ["linode/dear", "$0.09/h", "4"] in rows
    assert ["chameleon/uc/node", "24", "SU"] in rows


def test_an_open_price_beside_a_lease_stays_an_hour() -> None:
    plan = planned([linode("small", 2), chameleon("node")], limits=Limits(targets=("chameleon",)))
    rows = [line.split()[:2] for line in plan_lines(plan, width=140, every=True)]
    assert plan.hours == 24
    assert ["linode/small", "$0.02/h"] in rows


def test_what_is_made_for_tpus_is_not_planned_elsewhere_without_a_word() -> None:
    wanted = replace(needs(gpu_vendor="tpu"), gpu=replace(needs(gpu="no").gpu, value=GpuNeed.NO))
    assert (
        "it is made for Google (TPU) (README.md:7: it says so), and this machine is no such machine"
        in planned([local()], wanted).warnings
    )


def test_a_free_pod_does_not_win_over_this_machine_where_it_will_do() -> None:
    pod = replace(local(), cloud="kubernetes", region="prod", machine_type="pod", cpus=1, memory_bytes=4 * GIB)
    assert planned([pod, local()]).chosen == local()
    assert planned([pod, local()], limits=Limits(targets=("kubernetes",))).chosen == pod


def test_a_site_of_one_target_is_no_region_of_another() -> None:
    offers = [linode("small", 2), chameleon("node")]
    with pytest.raises(NoCapacity) as refused:
        planned(offers, limits=Limits(targets=("linode",), regions=("uc",)))
    assert "no machine is all of what was asked for (linode, uc)" in refused.value.message
    plan = planned(offers, limits=Limits(targets=("linode", "chameleon"), regions=("uc", "us-east")))
    assert {one.offer.region for one in plan.candidates} == {"uc", "us-east"}


def test_a_region_that_no_table_names_is_said_not_to_have_been_asked() -> None:
    small = replace(linode("small", 2), as_of="2026-05-01")
    plan = planned([small], limits=Limits(targets=("linode",), regions=("us-east",)))
    assert "whether linode has small in us-east was not asked" in plan.warnings
    assert not any("was not asked" in text and "whether" in text for text in planned([small]).warnings)


def test_a_budget_for_what_has_no_end_is_the_first_thing_said() -> None:
    plan = planned([linode("small", 2)], limits=Limits(total=(Money(5_000_000),)))
    assert plan.warnings[0] == "the budget of $5.00 lasts 250 h; nothing stops it then"


@pytest.mark.parametrize("words", [{"gpu": "A100", "rocm": "6.0"}, {"gpu-vendor": "amd", "cuda": "12.4"}])
def test_a_gpu_of_one_maker_and_the_software_of_another_contradict_each_other(words: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="contradict each other"):
        planned([A100S], overrides=words)
