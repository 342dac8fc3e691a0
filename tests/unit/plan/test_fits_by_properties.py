# SPDX-License-Identifier: Apache-2.0
"""Whether a machine will do is a matter of what it has, and of how sure it is what is needed."""

from __future__ import annotations

from typing import Any

import pytest

from homeport.model.evidence import Inferred, Origin
from homeport.model.plan import Offer
from homeport.plan.match import verdict
from planning_rig import GIB, UNPRICED, chameleon, guessed, linode, local, needs, with_gpus

A100 = with_gpus(chameleon("a"), 1, 40)
FOUR_A100 = with_gpus(chameleon("a4"), 4, 40)
V100 = with_gpus(chameleon("v"), 2, 32, "7.0")
K80 = with_gpus(chameleon("k"), 2, 12, "3.7")
MI100 = with_gpus(chameleon("m"), 2, 32, "", "amd")


@pytest.mark.parametrize(
    ("wanted", "offer", "reason"),
    [
        ({}, local(available=0), "None is free now."),
        ({}, chameleon("x", available=0), "There was none on 2026-05-01."),
        ({"memory_bytes": 16 * GIB}, local(), "It has 8 GiB of memory, and 16 GiB is needed."),
        ({"shared_memory_bytes": 16 * GIB}, local(), "It has 8 GiB of memory for its shared memory, and 16 GiB is "
         "needed."),
        ({"disk_bytes": 500 * GIB}, local(), "It has 100 GiB of disk, and 500 GiB is needed."),
        ({"cpus": 16.0}, local(), "It has 4 processors, and 16 is needed."),
        ({"arch": "aarch64"}, local(), "Its processors are x86_64, and aarch64 is needed."),
        ({"gpu": "needed"}, local(), "It has no GPU, and one is needed."),
        ({"gpu": "needed", "gpu_count": 4}, V100, "It has 2 GPUs, and 4 are needed."),
        ({"gpu": "needed", "vram_bytes": 48 * GIB}, A100, "A GPU of it has 40 GiB of memory, and 48 GiB is needed."),
        ({"gpu": "needed", "cuda": "12.4"}, MI100, "Its GPUs are made by AMD, and NVIDIA is needed."),
        ({"gpu": "needed", "rocm": "6.0"}, A100, "Its GPUs are made by NVIDIA, and AMD is needed."),
        ({"gpu": "needed", "gpu_vendor": "apple"}, A100, "Its GPUs are made by NVIDIA, and Apple is needed."),
        ({"gpu": "needed", "cuda": "12.4"}, K80, "Its GPUs have compute capability 3.7, and CUDA 12.4 needs 5.0."),
        ({"gpu": "needed", "compute_capability": "8.0"}, V100,
         "Its GPUs have compute capability 7.0, and the work needs 8.0."),
        ({"gpu": "needed", "vram_bytes": 280 * GIB}, FOUR_A100,
         "Its 4 GPUs together have 160 GiB of memory, and 280 GiB is needed."),
    ],
)  # fmt: skip
def test_what_is_firmly_needed_rules_out_what_has_less(wanted: dict[str, Any], offer: Offer, reason: str) -> None:
    assert verdict(needs(**wanted), offer).lacks[0] == reason


@pytest.mark.parametrize(
    ("wanted", "offer"),
    [
        ({"memory_bytes": 128 * 10**9}, chameleon("x", memory_bytes=126 * GIB)),
        ({"memory_bytes": 8 * GIB}, local(memory_bytes=int(7.6 * GIB))),
        ({"gpu": "needed", "vram_bytes": 40 * GIB}, with_gpus(chameleon("x"), 1, 39.6)),
        ({"gpu": "needed", "cuda": "11.2"}, K80),
        ({"gpu": "needed", "cuda": "12.1", "rocm": "6.0"}, MI100),
        ({"gpu": "needed", "gpu_count": 8, "vram_bytes": 20 * GIB}, FOUR_A100),
        ({"gpu": "needed", "vram_bytes": 140 * GIB}, FOUR_A100),
        ({"gpu": "optional", "vram_bytes": 140 * GIB}, local()),
        ({"gpu": "no", "gpu_vendor": "amd"}, local()),
    ],
)
def test_what_is_sold_as_that_size_or_has_it_together_will_do(wanted: dict[str, Any], offer: Offer) -> None:
    assert not verdict(needs(**wanted), offer).lacks


def test_an_estimate_warns_and_rules_out_only_what_misses_it_by_far() -> None:
    wanted = needs(memory_bytes=guessed(10 * GIB))
    assert verdict(wanted, local(memory_bytes=9 * GIB)).misses == (
        "It has 9 GiB of memory, and 10 GiB is the estimate.",
    )
    far = verdict(wanted, local(memory_bytes=4 * GIB))
    assert far.lacks == ("It has 4 GiB of memory, and 10 GiB is the estimate.",)


def test_an_estimate_of_gpu_memory_rules_out_less_than_half_of_it() -> None:
    for memory, out in ((30, False), (21, False), (19, True)):
        found = verdict(needs(gpu="needed", vram_bytes=guessed(40 * GIB)), with_gpus(chameleon("x"), 1, memory))
        assert bool(found.lacks) == out


def test_what_the_user_said_is_taken_to_the_byte() -> None:
    wanted = needs(memory_bytes=Inferred(8 * GIB, Origin.USER))
    assert verdict(wanted, local(memory_bytes=int(7.9 * GIB))).lacks
    assert verdict(needs(gpu="needed", gpu_count=Inferred(8, Origin.USER), vram_bytes=20 * GIB), FOUR_A100).lacks


def test_what_an_offer_does_not_say_is_a_doubt_and_no_reason_to_lose() -> None:
    unknown = local(cpus=0, memory_bytes=0, disk_bytes=0, gpus=1)
    found = verdict(needs(gpu="needed", vram_bytes=8 * GIB, cuda="12.0", cpus=2.0, disk_bytes=GIB), unknown)
    assert not found.lacks
    assert {text.rsplit(" ", 3)[0].split(" this")[0] for text in found.doubts} >= {"how much memory", "how much disk"}
    assert verdict(needs(gpu="needed"), UNPRICED).doubts == (
        "how much memory a pod has is not known",
        "whether a pod has a GPU is not known",
    )


def test_where_nothing_says_more_nvidia_of_a_current_generation_on_x86_is_assumed() -> None:
    generic = needs(gpu="needed")
    assert not verdict(generic, A100).misses
    assert "NVIDIA is assumed" in verdict(generic, MI100).misses[0]
    assert "current frameworks need 7.0" in verdict(generic, K80).misses[0]
    assert "x86_64 is assumed" in verdict(needs(), linode("arm", 1, arch="aarch64")).misses[0]
    assert not verdict(needs(), local(arch="aarch64")).misses
    assert not verdict(needs(arch="arm64"), local(arch="aarch64")).lacks
