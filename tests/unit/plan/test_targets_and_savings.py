# SPDX-License-Identifier: Apache-2.0
"""All targets side by side, what would make it cheaper (only what is true), and the steps of each target."""

from __future__ import annotations

from dataclasses import replace

from homeport.model.advice import Pick
from homeport.model.limits import Limits
from homeport.model.money import FREE, Money
from homeport.model.requirements import GpuNeed, Kind
from planning_rig import GIB, UNPRICED, chameleon, guessed, linode, local, needs, planned, with_gpus

GPU24 = with_gpus(linode("gpu24", 150, 32), 1, 24, "8.9")
GPU48 = with_gpus(linode("gpu48", 300, 64), 1, 48, "8.9")
NODE = with_gpus(chameleon("node"), 1, 24)
TRAINING = needs(gpu="needed", kind=Kind.TRAINING, vram_bytes=20 * GIB)


def test_every_target_is_quoted_for_its_own_time_the_choice_first_and_who_cannot_says_why() -> None:
    plan = planned([local(), NODE, GPU24, GPU48, UNPRICED], TRAINING, limits=Limits(targets=("linode", "mars")))
    assert [(one.target, one.offer and one.offer.machine_type, one.hours, one.total) for one in plan.quotes] == [
        ("linode", "gpu24", 24, Money(36_000_000)),
        ("local", None, 0, FREE),
        ("chameleon", "node", 24, Money(24_000_000, "SU")),
        ("kubernetes", "a pod", 24, FREE),
        ("mars", None, 0, FREE),
    ]
    assert [one.why for one in plan.quotes] == [
        "",
        "It has no GPU, and one is needed.",
        "It is on chameleon, and linode or mars was asked for.",
        "It is on kubernetes, and linode or mars was asked for.",
        "Nothing is known of what mars offers.",
    ]


def test_a_target_of_which_nothing_will_do_names_its_nearest() -> None:
    plan = planned([NODE, linode("a", 1, 2), with_gpus(linode("b", 2), 1, 8)], TRAINING)
    assert plan.quotes[1].why == (
        "None of its 2 types will do; the nearest is b: A GPU of it has 8 GiB of memory, and 20 GiB is needed."
    )


def test_what_is_free_cannot_be_cheaper() -> None:
    assert planned([local(), GPU24]).cheaper == ()


def test_fewer_hours_save_what_they_cost() -> None:
    assert planned([GPU24], TRAINING).cheaper == ("for 12 h instead of 24 h it costs $18.00 less: --hours 12",)
    assert planned([GPU24], TRAINING, hours=24).cheaper == ()


def test_a_smaller_machine_that_misses_only_an_estimate_is_named_with_what_it_saves() -> None:
    wanted = needs(gpu="needed", kind=Kind.SERVICE, vram_bytes=guessed(30 * GIB), gpu_count=1)
    plan = planned([GPU24, GPU48], wanted, hours=10)
    assert plan.chosen == GPU48
    assert (
        "gpu24 (linode) costs $15.00 for 10 h instead of $30.00; it misses an estimate: A GPU of it has 24 GiB of "
        "memory, and 30 GiB is the estimate."
    ) in plan.cheaper
    firm = needs(gpu="needed", vram_bytes=30 * GIB)
    assert not any("estimate" in text for text in planned([GPU24, GPU48], firm, hours=10).cheaper)


def test_weights_of_fewer_bits_are_suggested_where_they_would_fit_something_cheaper() -> None:
    wanted = needs(gpu="needed", vram_bytes=guessed(40 * GIB))
    plan = planned([GPU24, GPU48], wanted, hours=10)
    assert plan.chosen == GPU48
    assert (
        "if 20 GiB of GPU memory is enough (weights of fewer bits), gpu24 (linode) costs $15.00 for 10 h instead of "
        "$30.00"
    ) in plan.cheaper


def test_what_the_users_own_limits_leave_out_is_named() -> None:
    plan = planned([local(), GPU24], limits=Limits(targets=("linode",)))
    assert plan.cheaper[0] == "this machine (local), which was not asked for, costs nothing"


def test_nothing_in_another_unit_of_money_is_called_less() -> None:
    plan = planned([NODE, GPU24], TRAINING, limits=Limits(targets=("linode",)))
    assert not any("SU" in text for text in plan.cheaper)


def test_an_optional_gpu_that_costs_more_is_named() -> None:
    pick = Pick(by="llm", machine=("linode", "", "gpu24"))
    plan = planned([GPU24, linode("cpu", 3)], needs(gpu=GpuNeed.OPTIONAL), hours=10, picks=[pick])
    assert "without a GPU, which is optional, cpu (linode) costs $0.30 for 10 h instead of $15.00: --gpu no" in (
        plan.cheaper
    )


def test_the_steps_of_a_lease_are_those_of_a_lease_in_order() -> None:
    plan = planned([NODE], TRAINING, key="mine")
    assert plan.network == "sharednet1" and plan.key == "mine"
    assert plan.steps[:5] == (
        "use the key pair mine",
        "lease one node (chameleon, uc) for 24 h",
        "start a server on it on the network sharednet1",
        "give the server an address of its own",
        "log in",
    )
    assert planned([NODE], network="private").network == "private"


def test_the_steps_of_an_instance_name_its_time_where_it_has_an_end() -> None:
    assert planned([GPU24], TRAINING).steps[:3] == (
        "make a key pair for notes",
        "create one gpu24 (linode) for 24 h",
        "log in",
    )
    assert planned([GPU24], TRAINING, hours=0).steps[1] == "create one gpu24 (linode)"


def test_a_machine_of_its_own_needs_no_engine_here() -> None:
    built = replace(TRAINING, start=None, dockerfile=needs(dockerfile="Dockerfile").dockerfile)
    plan = planned([GPU24], built, runtime="auto", engine="")
    assert plan.runtime == "docker"
    assert planned([GPU24], TRAINING, runtime="auto", engine="Docker").runtime == "process"


def test_prices_of_a_table_say_of_which_day_they_are() -> None:
    assert any("are those of 2026-05-01" in text for text in planned([NODE], TRAINING).warnings)
    assert not any("are those of" in text for text in planned([GPU24], TRAINING).warnings)
