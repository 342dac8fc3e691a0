# SPDX-License-Identifier: Apache-2.0
"""Numbers that stand close together: each belongs to its own word, and none is taken for that of a list."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.analyze.prose import sentences
from homeport.testing.fetchers import DictView

GIB = 1 << 30


def of(text: str):
    return analyze(DictView({"README.md": text}))


@pytest.mark.parametrize("text", ["Needs ROCm 6.0. NVIDIA will not do.", "Weights are bf16. Takes an hour."])
def test_a_number_that_ends_a_sentence_is_not_that_of_a_list(text: str) -> None:
    assert " ".join(one.text for one in sentences([text])) == text


def test_the_number_of_a_list_is_still_taken_off() -> None:
    assert [one.text for one in sentences(["1. First.", "2) Second."])] == ["First.", "Second."]


def test_gpu_memory_memory_and_disk_in_one_sentence_are_told_apart() -> None:
    found = of("Recommended: NVIDIA GPU with at least 8 GB VRAM, 16 GB RAM, 20 GB of disk space.")
    assert found.vram_bytes and found.vram_bytes.value == 8 * GIB
    assert found.memory_bytes.value == 16 * GIB
    assert found.disk_bytes and found.disk_bytes.value == 20 * GIB


def test_how_long_it_takes_on_a_gpu_is_how_long_it_takes() -> None:
    found = of("Fine-tunes a model.\n\nTakes about 10 hours on one A100 40GB.")
    assert found.hours and found.hours.value == 10


def test_of_two_estimates_of_memory_the_larger_counts() -> None:
    model = 'import transformers\nm = transformers.AutoModel.from_pretrained("meta-llama/Llama-2-70b-hf")\n'
    found = analyze(DictView({"requirements.txt": "torch\ntransformers\n", "run.py": model}))
    assert found.memory_bytes.value > 64 * GIB
    assert "GiB (requirements.txt:2): is the smaller estimate" in found.memory_bytes.note


def test_memory_of_each_rank_is_not_that_of_the_machine() -> None:
    job = "#!/bin/bash\n#SBATCH --ntasks-per-node=32\n#SBATCH --mem=128G\nsrun ./solver\n"
    found = analyze(DictView({"README.md": "Needs 4 GB of RAM per rank.", "job.slurm": job}))
    assert found.memory_bytes.value == 128 * GIB
    assert of("Needs 4 GB of RAM per node.").memory_bytes.value == 4 * GIB


def test_disk_that_is_named_after_memory_is_no_memory() -> None:
    found = of("Requires a GPU with 16GB memory and 150 GB of disk.")
    assert found.memory_bytes.origin == "default"
    assert found.disk_bytes and found.disk_bytes.value == 150 * GIB
    assert of("Needs RAM of 32 GB and 100 GB SSD.").memory_bytes.value == 32 * GIB
