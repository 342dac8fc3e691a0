# SPDX-License-Identifier: Apache-2.0
"""What documents say of the machine: a GPU that is asked for, one that is only spoken of, and amounts."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.analyze.prose import sentences
from homeport.model.requirements import HINT, GpuNeed
from homeport.testing.fetchers import DictView

GIB = 1 << 30


def of(text: str, **files: str):
    return analyze(DictView({"README.md": text, **files}))


def asserted(found):
    """The value, if somebody says so; None for what is only a hint."""
    return found.value if found and found.evidence and found.evidence[0].confidence >= HINT else None


@pytest.mark.parametrize(
    "text",
    [
        "# Tool\nThis requires an NVIDIA GPU.",
        "# Tool\n## Requirements\n* NVIDIA GPU with CUDA support\n* Python 3.10",
        "# Tool\nAn NVIDIA GPU is required to run the model.",
        "# Tool\nYou need a GPU with at least 24 GB of VRAM.",
        "# fastframe - GPU-accelerated data frames\nData frames on the GPU.",
        "# Trainer\nTraining models on GPUs.\nTrained on 8 A100 GPUs.\n```\ntorchrun --nproc_per_node=8 t.py\n```",
    ],
)  # fmt: skip
def test_a_gpu_that_is_asked_for_is_needed(text):
    assert of(text).gpu.value is GpuNeed.NEEDED


@pytest.mark.parametrize(
    "text",
    [
        "# Tool\nA GPU is optional.",
        "# Tool\nRuns on both CPU and GPU.",
        "# Tool\n## Requirements\n* Optional: an NVIDIA GPU, for speed",
        "# Tool\n## GPU support\nIf you have an NVIDIA GPU, install the CUDA build. It is faster on a GPU.",
    ],
)  # fmt: skip
def test_a_gpu_that_one_can_do_without_is_optional(text):
    assert of(text).gpu.value is GpuNeed.OPTIONAL


@pytest.mark.parametrize(
    "text",
    [
        "# Tool\nA web service.",
        "# Tool\nNo GPU is required.",
        "# term\nA GPU-accelerated terminal emulator.",
        "# exporter\nMetrics. To see GPU metrics use another exporter.",
        "# list\n# Awesome GPU\nAn awesome list.\n* [x](y) needs an NVIDIA GPU.",
        "# Tool\n## Changelog\n* 1.2: CUDA 12 works now",
        "# lm\nLanguage models on Apple silicon with MLX.\nNeeds an Apple M1 or later.\nUses Metal.\nMLX is fast.",
        "# tpu\nTraining on Cloud TPU.\nCreate a TPU v4 first.\nThe TPU needs JAX.",
    ],
)
def test_a_gpu_that_is_only_spoken_of_or_cannot_be_rented_is_no_need(text):
    assert of(text).gpu.value is GpuNeed.NO


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("Needs a GPU with at least 24 GB of VRAM.", "vram_bytes", 24 * GIB),
        ("An NVIDIA GPU with 10GB VRAM is required.", "vram_bytes", 10 * GIB),
        ("Requires about 13GB of GPU memory; only 6GB of GPU memory with INT4.", "vram_bytes", 13 * GIB),
        ("A GPU is needed.\n\n| Size | Required VRAM |\n|---|---|\n| a | ~1 GB |\n| b | ~9 GB |", "vram_bytes", GIB),
        ("You need at least 8X A100 40GB.", "gpu_count", 8),
        ("Requires 1-8 NVIDIA GPUs.", "gpu_count", 1),
        ("Requires an NVIDIA GPU.\n```\ntorchrun --nproc_per_node=4 a.py\n```", "gpu_count", 1),
        ("It takes 2 CPU cores and 512MB RAM as a baseline.", "memory_bytes", GIB // 2),
        ("At least 8GB RAM and 50 GB disk space are required.", "memory_bytes", 8 * GIB),
        ("At least 8GB RAM and 50 GB disk space are required.", "disk_bytes", 50 * GIB),
        ("* disk space ( >= ~15Gb )\n* memory ( >= 3Gb )", "disk_bytes", 15 * GIB),
        ("* disk space ( >= ~15Gb )\n* memory ( >= 3Gb )", "memory_bytes", 3 * GIB),
        ("At least 4 CPU cores are required.", "cpus", 4.0),
        ("A GPU is required, and CUDA 11.6 or later.", "cuda", "11.6"),
        ("A GPU is required, with compute capability 7.0 or higher.", "compute_capability", "7.0"),
        ("A GPU is required. ROCm 6.2 works.", "rocm", "6.2"),
        ("Open http://localhost:8123 and http://localhost:8123/docs.", "port", 8123),
        ("```\ndocker run -p 8080:3000 it\n```", "port", 3000),
    ],
)  # fmt: skip
def test_an_amount_that_is_asked_for_is_taken_with_its_line(text, field, value):
    found = getattr(of(f"# Tool\n{text}"), field)
    assert asserted(found) == value
    assert found.evidence[0].file == "README.md" and found.evidence[0].line >= 2


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("I ran it on my laptop with 64 GB of RAM.", "memory_bytes"),
        ("The dataset is a file of 100 GB.", "disk_bytes"),
        ("Runs well on a machine with 96 cores.", "cpus"),
        ("GitHub gives every user 120 vCPU hours at least.", "cpus"),
        ("The GPU has 80 GB VRAM allocations fixed.", "vram_bytes"),
        ("Works with CUDA 11 and with CUDA 12 on a GPU.", "cuda"),
    ],
)
def test_an_amount_that_is_only_named_is_not_asserted(text, field):
    assert asserted(getattr(of(f"# Tool\n{text}"), field)) is None


def test_a_part_of_a_source_does_not_speak_for_the_whole():
    found = of("# Service\nA web service.", **{"clients/js/extras/deep/README.md": "# x\nThis requires an NVIDIA GPU."})
    assert found.gpu.value is GpuNeed.NO


def test_news_that_name_a_gpu_do_not_ask_for_one():
    assert of("# Tool\nA service.\n## News\nWe now require CUDA for a demo on GPU.").gpu.value is not GpuNeed.NEEDED


def test_sentences_know_their_lines_and_headings_without_markup():
    text = "# Top\n\nOne **bold**\nline. Two\n[link](http://x) ends.\n\nUnder\n-----\n* item `code`\n\n```\nrun\n```\n"
    found = sentences(text.split("\n"))
    assert [(one.text, one.line, one.code) for one in found] == [
        ("Top", 1, False), ("One bold line.", 3, False), ("Two link ends.", 4, False), ("Under", 7, False),
        ("item code", 9, False), ("run", 12, True),
    ]  # fmt: skip
    assert found[-1].headings == ("Top", "Under")
