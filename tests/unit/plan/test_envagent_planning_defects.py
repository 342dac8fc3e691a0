# SPDX-License-Identifier: Apache-2.0
"""What the provisioning tool before this one got wrong when it planned; each must not come back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.errors import NoCapacity
from homeport.model.limits import Limits
from homeport.model.requirements import Kind
from homeport.model.systemimage import SystemImage
from homeport.plan.bounds import ALIASES
from planning_rig import GIB, chameleon, needs, planned, why, with_gpus

PLAIN_NODE = chameleon("gpu_in_name_only")
GIGAIO = with_gpus(chameleon("compute_gigaio"), 1, 80)
LIQID = with_gpus(chameleon("compute_liqid", "tacc"), 1, 40)


def test_a_gpu_node_is_found_by_its_gpus_and_not_by_its_name() -> None:
    plan = planned([PLAIN_NODE, GIGAIO, LIQID], needs(gpu="needed", vram_bytes=40 * GIB))
    assert plan.chosen == LIQID
    assert why(plan, "gpu_in_name_only") == "It has no GPU, and one is needed."
    assert planned([PLAIN_NODE, GIGAIO], needs(gpu="needed", vram_bytes=60 * GIB)).chosen == GIGAIO


def test_a_type_whose_nodes_differ_counts_as_its_least_node() -> None:
    mixed = chameleon("compute_gigaio", "tacc", gpus=0, gpu_model="")
    assert planned([mixed, LIQID], needs(gpu="needed")).chosen == LIQID


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_the_name_that_no_site_has_is_an_alias_with_a_warning(alias: str) -> None:
    real = chameleon("compute_cascadelake_r")
    plan = planned([real, PLAIN_NODE], limits=Limits(machine_types=(alias,)))
    assert plan.chosen == real
    assert f"no site has the machine type {alias}: compute_cascadelake_r is meant" in plan.warnings


def test_there_is_no_falling_back_to_a_machine_that_is_not_on_offer() -> None:
    with pytest.raises(NoCapacity) as none:
        planned([PLAIN_NODE], limits=Limits(machine_types=("compute_cascadelake_r640",)))
    assert "'compute_cascadelake_r'" in none.value.message


def test_a_site_is_a_region_and_nothing_else_is_chosen() -> None:
    uc, tacc = chameleon("compute_skylake", "uc"), chameleon("compute_skylake", "tacc")
    for site, expected in (("uc", uc), ("tacc", tacc)):
        assert planned([uc, tacc], limits=Limits(regions=(site,))).chosen == expected


def test_without_a_model_there_is_a_whole_answer() -> None:
    images = [SystemImage("chameleon", "CC-Ubuntu24.04-CUDA", "ubuntu", "24.04", cuda="12.6", user="cc")]
    plan = planned([GIGAIO], needs(gpu="needed", kind=Kind.TRAINING), images=images)
    assert plan.image and plan.hours == 24 and plan.network and plan.total.currency == "SU" and plan.steps
    assert "log in as cc" in plan.steps


def test_a_gpu_that_current_frameworks_dropped_loses_to_one_they_run_on() -> None:
    k80 = with_gpus(chameleon("gpu_k80", "tacc"), 2, 12, "3.7")
    plan = planned([k80, GIGAIO], needs(gpu="needed"))
    assert plan.chosen == GIGAIO
    assert "compute capability 3.7, and current frameworks need 7.0" in plan.quotes[0].why + why(plan, "gpu_k80")
    assert planned([k80, replace(GIGAIO, available=0)], needs(gpu="needed")).chosen == k80
