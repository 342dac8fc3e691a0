# SPDX-License-Identifier: Apache-2.0
"""The tables that come with this version: what is in them, and of which day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from homeport.model.facts import Facts
from homeport.model.money import Money
from homeport.model.plan import Offer
from homeport.plan.catalogue import age, chosen, difference, embedded

CHAMELEON, LINODE = embedded()


def offer(facts: Facts, machine_type: str, region: str = "") -> Offer:
    return next(one for one in facts.offers if (one.machine_type, one.region) == (machine_type, region))


def test_there_are_all_node_types_of_chameleon_and_all_plans_of_linode_with_their_day() -> None:
    assert (CHAMELEON.cloud, len(CHAMELEON.offers)) == ("chameleon", 35)
    assert (LINODE.cloud, len(LINODE.offers)) == ("linode", 37)
    for facts in embedded():
        assert facts.origin and date.fromisoformat(facts.as_of) <= date(2026, 12, 1)
        assert {one.as_of for one in facts.offers} == {facts.as_of}
        places = {(one.region, one.machine_type) for one in facts.offers}
        assert len(places) == len(facts.offers)


def test_a_node_hour_of_chameleon_is_one_service_unit_and_a_lease_has_seven_days() -> None:
    for one in CHAMELEON.offers:
        assert one.hourly == Money(1_000_000, "SU")
        assert one.longest_hours == 168


def test_a_node_type_is_known_by_its_properties() -> None:
    h100 = offer(CHAMELEON, "gpu_h100", "tacc")
    assert (h100.gpus, h100.gpu_model, h100.gpu_vendor, h100.gpu_memory_bytes >> 30) == (4, "H100", "nvidia", 94)
    assert (h100.compute_capability, h100.memory_bytes >> 30, h100.cpus, h100.available) == ("9.0", 1024, 192, 2)
    assert offer(CHAMELEON, "gpu_mi100", "tacc").gpu_vendor == "amd"
    assert offer(CHAMELEON, "gpu_pontevecchio", "tacc").gpu_vendor == "intel"
    assert offer(CHAMELEON, "arm_thunder", "ncar").arch == "aarch64"


def test_a_name_without_gpu_in_it_may_have_one_and_a_type_that_mixes_hardware_has_the_least_of_it() -> None:
    """The tool before this one looked for "gpu" in the name and missed these."""
    liqid = offer(CHAMELEON, "compute_liqid", "tacc")
    assert (liqid.gpus, liqid.gpu_model) == (1, "A100")
    for site in ("tacc", "uc"):
        some_have_none = offer(CHAMELEON, "compute_gigaio", site)
        assert (some_have_none.gpus, some_have_none.gpu_model, some_have_none.gpu_vendor) == (0, "", "")
    nvlink = offer(CHAMELEON, "gpu_p100_nvlink", "tacc")
    assert (nvlink.gpus, nvlink.gpu_memory_bytes >> 30) == (2, 16)


def test_memory_that_the_table_does_not_know_comes_from_the_name_of_the_gpu() -> None:
    assert offer(CHAMELEON, "gpu_m40", "tacc").gpu_memory_bytes == 12 << 30
    assert offer(CHAMELEON, "compute_skylake", "tacc").disk_bytes == 0  # not known


@pytest.mark.parametrize(
    ("name", "hourly", "monthly"),
    [("g6-nanode-1", 7_500, 5_000_000), ("g6-standard-4", 72_000, 48_000_000), ("g7-premium-2", 64_500, 43_000_000)],
)
def test_a_plan_of_linode_costs_what_linode_says_to_the_part_of_a_cent(name: str, hourly: int, monthly: int) -> None:
    plan = offer(LINODE, name)
    assert (plan.hourly, plan.monthly, plan.priced) == (Money(hourly), Money(monthly), True)
    assert plan.longest_hours == 0


def test_a_gpu_plan_of_linode_has_the_gpu_it_is_named_for() -> None:
    plan = offer(LINODE, "g1-gpu-rtx6000-2")
    assert (plan.gpus, plan.gpu_model, plan.gpu_memory_bytes >> 30) == (2, "RTX 6000", 24)
    assert (plan.memory_bytes >> 30, plan.hourly) == (64, Money(3_000_000))


def test_images_name_their_family_and_who_logs_in() -> None:
    cuda = next(image for image in CHAMELEON.images if image.name == "CC-Ubuntu24.04-CUDA")
    assert (cuda.family, cuda.version, cuda.user) == ("ubuntu", "24.04", "cc")
    assert cuda.cuda.startswith("12")
    assert any(image.rocm for image in CHAMELEON.images)
    assert any(image.arch == "aarch64" for image in CHAMELEON.images)
    debian = next(image for image in LINODE.images if image.id == "linode/debian12")
    assert (debian.family, debian.version, debian.user) == ("debian", "12", "root")


def test_newer_facts_count_and_older_ones_do_not() -> None:
    newer, older = replace(LINODE, as_of="2027-01-01"), replace(LINODE, as_of="2020-01-01")
    assert chosen(LINODE, newer) is newer
    assert chosen(LINODE, older) is LINODE
    assert chosen(LINODE, None) is LINODE


def test_images_stay_where_newer_facts_have_none() -> None:
    newer = replace(CHAMELEON, as_of="2027-01-01", images=())
    assert chosen(CHAMELEON, newer).images == CHAMELEON.images


def test_a_difference_names_what_came_what_went_and_what_costs_something_else() -> None:
    kept, gone, dearer = LINODE.offers[:3]
    new = replace(kept, machine_type="g9-new")
    after = replace(LINODE, offers=(kept, replace(dearer, hourly=Money(1)), new))
    found = difference(replace(LINODE, offers=(kept, gone, dearer)), after)
    assert found.added == (new,)
    assert found.removed == (gone,)
    assert [(one.before.hourly, one.after.hourly) for one in found.moved] == [(dearer.hourly, Money(1))]


def test_a_price_that_is_no_longer_said_has_moved() -> None:
    one = LINODE.offers[0]
    found = difference(
        replace(LINODE, offers=(one,)), replace(LINODE, offers=(replace(one, priced=False, as_of="2027-01-01"),))
    )
    assert len(found.moved) == 1


def test_the_age_of_facts_is_in_days() -> None:
    assert age("2026-06-26", date(2026, 6, 26)) == 0
    assert age("2026-06-26", date(2026, 9, 26)) == 92
    assert age("2027-06-26", date(2026, 9, 26)) == 0
