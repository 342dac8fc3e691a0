# SPDX-License-Identifier: Apache-2.0
"""What a GPU is called says what it can do, however people and clouds write it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.model.plan import Offer
from homeport.plan.gpus import gpu_named, with_gpu_facts

OFFER = Offer("kubernetes", "", "node", 8, 1 << 36, 0, gpus=1)


@pytest.mark.parametrize(
    ("text", "name", "gib", "capability"),
    [
        ("A100", "A100", 40, "8.0"),
        ("a100", "A100", 40, "8.0"),
        ("NVIDIA A100-SXM4-80GB", "A100", 80, "8.0"),
        ("4 x A100 (80 GB)", "A100", 80, "8.0"),
        ("80GB A100", "A100", 80, "8.0"),
        ("2xA100-40GB", "A100", 40, "8.0"),
        ("8xH100", "H100", 80, "9.0"),
        ("GH100 [H100 SXM5 94GB]", "H100", 94, "9.0"),
        ("GV100GL [Tesla V100 PCIe 32GB]", "V100", 32, "7.0"),
        ("TU102GL [Quadro RTX 6000/8000]", "RTX 6000", 24, "7.5"),
        ("Dedicated 32GB + RTX6000 GPU x1", "RTX 6000", 24, "7.5"),
        ("RTX 6000 Ada Generation", "RTX 6000 Ada", 48, "8.9"),
        ("RTX A6000", "RTX A6000", 48, "8.6"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", 96, "12.0"),
        ("RTX4000 Ada x1 Small", "RTX 4000 Ada", 20, "8.9"),
        ("NVIDIA GeForce RTX 3090 Ti", "RTX 3090", 24, "8.6"),
        ("rtx_4090", "RTX 4090", 24, "8.9"),
        ("GTX 1080 Ti", "GTX 1080 Ti", 11, "6.1"),
        ("nvidia-tesla-t4", "T4", 16, "7.5"),
        ("L40S", "L40S", 48, "8.9"),
        ("L40", "L40", 48, "8.9"),
        ("L4", "L4", 24, "8.9"),
        ("A10G", "A10G", 24, "8.6"),
        ("A10", "A10", 24, "8.6"),
        ("B200", "B200", 180, "10.0"),
        ("GK210GL [Tesla K80]", "K80", 12, "3.7"),
        ("Arcturus GL-XL [Instinct MI100]", "MI100", 32, ""),
        ("AMD Instinct MI300X", "MI300X", 192, ""),
        ("Ponte Vecchio XT (2 Tile) [Data Center GPU Max 1550]", "Max 1550", 128, ""),
    ],
)
def test_a_name_is_understood_as_it_is_written(text: str, name: str, gib: int, capability: str) -> None:
    gpu = gpu_named(text)
    assert gpu is not None
    assert (gpu.name, gpu.memory_bytes >> 30, gpu.compute_capability) == (name, gib, capability)


@pytest.mark.parametrize(
    "text", ["", "GPU", "t400", "any NVIDIA card", "A1000x", "xl4", "AL40", "gfx90a", "v1.4", "3.14"]
)
def test_what_names_no_known_gpu_is_none(text: str) -> None:
    assert gpu_named(text) is None


def test_of_several_the_first_counts() -> None:
    first, second = gpu_named("T4 or better, an A100 for instance"), gpu_named("A100, or a T4")
    assert first is not None and first.name == "T4"
    assert second is not None and second.name == "A100"


def test_the_memory_of_the_machine_is_not_that_of_the_gpu() -> None:
    gpu = gpu_named("Dedicated 80GB + A100 x1")
    assert gpu is not None and gpu.memory_bytes >> 30 == 40


@given(st.text(max_size=400))
def test_any_text_is_answered(text: str) -> None:
    gpu = gpu_named(text)
    assert gpu is None or (gpu.vendor in ("nvidia", "amd", "intel") and gpu.memory_bytes > 0)


def test_an_offer_gets_what_its_gpu_says_and_keeps_what_it_says_itself() -> None:
    filled = with_gpu_facts(replace(OFFER, gpu_model="Tesla V100 PCIe 32GB"))
    assert (filled.gpu_model, filled.gpu_vendor, filled.gpu_memory_bytes >> 30) == ("V100", "nvidia", 32)
    assert filled.compute_capability == "7.0"
    kept = with_gpu_facts(replace(OFFER, gpu_model="A100", gpu_memory_bytes=10 << 30, compute_capability="8.9"))
    assert (kept.gpu_memory_bytes >> 30, kept.compute_capability) == (10, "8.9")


def test_where_nodes_differ_the_least_of_their_gpus_counts() -> None:
    filled = with_gpu_facts(replace(OFFER, gpu_model="GA100 [A100 PCIe 40GB] | GV100GL [Tesla V100 PCIe 16GB]"))
    assert (filled.gpu_model, filled.gpu_memory_bytes >> 30) == ("A100 | V100", 16)
    assert filled.compute_capability == "7.0"
    mixed = with_gpu_facts(replace(OFFER, gpu_model="A100 | MI100"))
    assert (mixed.gpu_vendor, mixed.compute_capability, mixed.gpu_memory_bytes >> 30) == ("", "", 32)


def test_an_unknown_gpu_leaves_the_offer_as_it_is() -> None:
    for model in ("", "Neural Thing 9", "A100 | Neural Thing 9"):
        offer = replace(OFFER, gpu_model=model)
        assert with_gpu_facts(offer) == offer
