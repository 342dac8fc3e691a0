# SPDX-License-Identifier: Apache-2.0
"""Which machine is chosen, in which unit of money, and that no limit is ever exceeded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.errors import NoCapacity
from homeport.model.advice import Pick
from homeport.model.limits import Limits
from homeport.model.money import Money
from homeport.model.requirements import Kind
from homeport.plan import fitting_offers
from planning_rig import GIB, PLAIN, UNPRICED, chameleon, guessed, linode, local, needs, planned, why, with_gpus

SMALL, LARGE = linode("small", 1.8, 2), linode("large", 7.2, 8)
GPU = with_gpus(linode("gpu", 150, 32), 1, 24, "7.5")
NODE, GPU_NODE = chameleon("node"), with_gpus(chameleon("gpu_node"), 4, 80)
TRAINING = needs(gpu="needed", kind=Kind.TRAINING)


def test_the_laptop_wins_when_it_will_do_even_where_an_estimate_is_just_missed() -> None:
    plan = planned([LARGE, NODE, local()], needs(memory_bytes=guessed(9 * GIB)))
    assert plan.chosen == local()
    assert "this machine: it has 8 GiB of memory, and 9 GiB is the estimate." in plan.warnings
    assert why(plan, "node") == "It costs 24 SU for 24 h, this machine nothing."


def test_money_is_not_spent_on_a_machine_that_misses_an_estimate() -> None:
    wanted = needs(memory_bytes=guessed(int(2.2 * GIB)))
    plan = planned([SMALL, LARGE], wanted, hours=10)
    assert plan.chosen == LARGE
    assert why(plan, "small").startswith("It would cost $0.18 for 10 h, but: It has 2 GiB of memory")
    assert planned([SMALL], wanted).chosen == SMALL


def test_units_of_money_are_not_compared_and_an_allocation_is_not_spent_unasked() -> None:
    plan = planned([GPU, GPU_NODE], TRAINING)
    assert plan.chosen == GPU
    assert why(plan, "gpu_node") == "It is priced in SU, which is not compared with USD."
    assert any("gpu_node (chameleon, uc) costs 24 SU for 24 h and no USD" in text for text in plan.cheaper)
    assert planned([GPU_NODE], TRAINING).chosen == GPU_NODE


@pytest.mark.parametrize(
    "limits",
    [
        Limits(targets=("chameleon",)),
        Limits(targets=("chameleon", "linode")),
        Limits(regions=("uc",)),
        Limits(machine_types=("gpu_node",)),
        Limits(total=(Money(50_000_000, "SU"),)),
        Limits(total=(Money(50_000_000, "SU"), Money(500_000_000))),
        Limits(hourly=(Money(1_000_000, "SU"),)),
    ],
)
def test_asking_for_a_testbed_its_unit_or_a_site_of_it_takes_it(limits: Limits) -> None:
    assert planned([GPU, GPU_NODE], TRAINING, limits=limits).chosen == GPU_NODE


def test_within_one_unit_the_cheapest_wins_whichever_target_was_named_first() -> None:
    pods = replace(GPU, cloud="kubernetes", machine_type="pod", hourly=Money(2_000_000))
    assert planned([GPU, pods], TRAINING, limits=Limits(targets=("kubernetes", "linode"))).chosen == GPU


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(total=(Money(30_000_000),)), "over the budget of $30.00"),
        (Limits(hourly=(Money(1_000_000),)), "an hour, over the limit of $1.00"),
        (Limits(total=(Money(500_000_000, "EUR"),)), "priced in USD, and the budget is in EUR"),
        (Limits(total=(Money(90_000_000), Money(30_000_000))), "over the budget of $30.00"),
        (Limits(total=(Money(0),)), "over the budget of $0.00"),
    ],
)
def test_beyond_a_budget_nothing_is_chosen_and_the_nearest_is_named(limits: Limits, reason: str) -> None:
    with pytest.raises(NoCapacity) as none:
        planned([local(), GPU], TRAINING, limits=limits)
    assert "gpu (linode)" in none.value.message and reason in none.value.message
    assert "allows gpu" in none.value.hint


def test_a_refusal_says_what_would_be_within_the_budget() -> None:
    with pytest.raises(NoCapacity) as none:
        planned([GPU_NODE], TRAINING, limits=Limits(total=(Money(20_000_000, "SU"),)))
    assert none.value.hint == "--max-cost 24.00SU allows gpu_node; --hours 20 is within the budget"


def test_a_free_machine_is_within_every_budget_and_an_unpriced_one_in_none() -> None:
    assert planned([local(), LARGE], limits=Limits(total=(Money(0),))).chosen == local()
    with pytest.raises(NoCapacity, match="Nobody has said what it costs"):
        planned([UNPRICED], limits=Limits(total=(Money(10**9),), targets=("kubernetes",)))


def test_an_unpriced_target_is_taken_only_if_it_is_asked_for() -> None:
    assert planned([UNPRICED, LARGE]).chosen == LARGE
    plan = planned([UNPRICED, LARGE], limits=Limits(targets=("kubernetes",)))
    assert plan.chosen == UNPRICED and any("this plan has no price" in text for text in plan.warnings)
    with pytest.raises(NoCapacity):
        planned([UNPRICED])


def test_a_service_within_a_budget_says_how_long_the_budget_lasts() -> None:
    plan = planned([LARGE], limits=Limits(total=(Money(7_200_000),)))
    assert plan.hours == 0
    assert "the budget of $7.20 lasts 100 h; nothing stops it then" in plan.warnings


def test_a_gpu_node_for_work_without_one_loses_with_that_reason() -> None:
    plan = planned([GPU_NODE, NODE])
    assert plan.chosen == NODE
    assert why(plan, "gpu_node") == "It costs the same as node, and its GPU would not be used."


def test_at_the_same_price_work_that_can_use_a_gpu_gets_one_and_no_more_than_it_can_use() -> None:
    one = with_gpus(chameleon("one"), 1, 24, "7.5")
    plan = planned([NODE, GPU_NODE, one], needs(gpu="optional"))
    assert plan.chosen == one
    assert why(plan, "node") == "It costs the same as one, and has no GPU that it could use."
    assert why(plan, "gpu_node") == "It costs the same as one and is larger than needed."


def test_at_the_same_price_a_gpu_with_tensor_cores_wins_then_fewer_then_newer_ones() -> None:
    maxwell, turing = with_gpus(chameleon("m40"), 1, 12, "5.2"), with_gpus(chameleon("rtx"), 1, 24, "7.5")
    ampere, four = with_gpus(chameleon("a30"), 1, 24, "8.0"), with_gpus(chameleon("v100"), 4, 32, "7.0")
    plan = planned([maxwell, turing, ampere, four], needs(gpu="needed", cuda="11.3"))
    assert plan.chosen == ampere
    assert why(plan, "m40") == "It costs the same as a30, and its GPUs are of an older generation."
    assert why(plan, "rtx") == "It costs the same as a30, and its GPUs are older."
    assert why(plan, "v100") == "It costs the same as a30 and is larger than needed."


def test_at_the_same_price_what_says_what_it_has_wins() -> None:
    silent, plain = linode("a", 10, disk_bytes=0), linode("b", 10)
    plan = planned([silent, plain], needs(disk_bytes=50 * GIB))
    assert plan.chosen == plain
    assert why(plan, "a") == "It costs the same as b, but how much disk a has is not known."


def test_what_the_region_of_a_table_leaves_open_is_the_one_asked_for() -> None:
    plan = planned([LARGE, local()], limits=Limits(targets=("linode",), regions=("eu-central",)))
    assert plan.chosen == replace(LARGE, region="eu-central")
    with pytest.raises(NoCapacity, match="'eu-central'"):
        planned([LARGE, local()], limits=Limits(regions=("eu-central",)))


@pytest.mark.parametrize(
    ("limits", "word", "hint"),
    [
        (Limits(targets=("azure",)), "target 'azure'", "linode"),
        (Limits(regions=("ucc",)), "site 'ucc'", "uc"),
        (Limits(machine_types=("larg",)), "machine type 'larg'", "large"),
        (Limits(targets=("linode",), machine_types=("node",)), "all of what was asked for", "leave out one of"),
    ],
)
def test_a_limit_that_matches_nothing_is_told_with_what_there_is(limits: Limits, word: str, hint: str) -> None:
    with pytest.raises(NoCapacity) as none:
        planned([LARGE, NODE, local()], limits=limits)
    assert word in none.value.message and hint in none.value.hint


def test_a_site_may_be_named_as_openstack_names_its_region() -> None:
    there = [chameleon("n", "tacc"), chameleon("n", "uc")]
    assert planned(there, limits=Limits(regions=("CHI@UC",))).chosen.region == "uc"


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ({"gpu": "needed", "gpu_count": 8}, "if gpu_node is enough, say so: --gpus 4"),
        ({"gpu": "needed", "vram_bytes": 80 * GIB, "gpu_count": 8}, "if gpu_node is enough, say so: --gpus 4"),
        ({"memory_bytes": 900 * GIB}, "if gpu_node is enough, say so: --memory 128Gi"),
        ({"cpus": 500.0, "memory_bytes": 900 * GIB}, "if gpu_node is enough, say so: --memory 128Gi --cpus 48"),
    ],
)
def test_a_refusal_says_what_to_type_if_the_nearest_is_enough(wanted, hint: str) -> None:
    with pytest.raises(NoCapacity) as none:
        planned([SMALL, GPU_NODE, local()], needs(**wanted))
    assert none.value.hint == hint


def test_what_a_refusal_says_to_type_is_then_planned() -> None:
    odd = local(memory_bytes=8_345_678_901)
    with pytest.raises(NoCapacity) as none:
        planned([odd], needs(memory_bytes=64 * GIB))
    flag = none.value.hint.rsplit(" ", 1)[1]
    assert planned([odd], needs(memory_bytes=64 * GIB), overrides={"memory": flag}).chosen == odd


def test_what_would_do_elsewhere_is_named_where_nothing_asked_for_will() -> None:
    with pytest.raises(NoCapacity) as none:
        planned([local(), GPU_NODE], TRAINING, limits=Limits(targets=("local",)))
    assert "not asked for, but it would do: gpu_node (chameleon, uc), 24 SU for 24 h" in none.value.message


def test_a_pick_among_those_that_will_do_is_followed_and_said() -> None:
    pick = Pick(by="selector near", machine=("linode", "", "large"))
    plan = planned([local(), SMALL, LARGE], picks=[pick])
    assert (plan.chosen, plan.chosen_by) == (LARGE, "selector near")
    assert why(plan, "this machine") == "It ranks higher, but selector near chose large."
    assert plan.cheaper


def test_a_pick_that_will_not_do_is_a_warning_and_the_ranking_stands() -> None:
    picks = [
        Pick(by="llm", machine=("linode", "", "small")),
        Pick(by="llm", machine=("linode", "", "gpu_h100\x1b[2J")),
        Pick(by="selector x", machine=("linode", "", "gpu")),
    ]
    plan = planned([SMALL, LARGE, GPU], needs(memory_bytes=6 * GIB), picks=picks, limits=Limits(hourly=(Money(10**6),)))
    assert plan.chosen == LARGE and plan.chosen_by == ""
    assert [text for text in plan.warnings if "not followed" in text] == [
        "llm chose linode//small, which was not followed: It has 2 GiB of memory, and 6 GiB is needed",
        "llm chose linode//gpu_h100 [2J, which was not followed: no machine on offer is called so",
        "selector x chose linode//gpu, which was not followed: It costs $1.50 an hour, over the limit of $1.00",
    ]


def test_a_selector_sees_only_what_will_do_and_is_allowed_the_best_first() -> None:
    limits = Limits(hourly=(Money(10**6),))
    assert fitting_offers(PLAIN, [GPU, LARGE, SMALL, local(available=0)], limits=limits) == (SMALL, LARGE)


def test_the_chosen_one_is_the_users_where_the_user_named_the_type() -> None:
    assert planned([SMALL, LARGE], limits=Limits(machine_types=("large",))).chosen_by == "user"
