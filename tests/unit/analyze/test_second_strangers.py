# SPDX-License-Identifier: Apache-2.0
"""What more repositories of strangers taught, each case small and made up."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import HINT, GpuNeed
from homeport.testing.fetchers import DictView

GIB = 1 << 30


def of(files: dict[str, str]):
    return analyze(DictView(files))


def asserted(found):
    """The value, if somebody says so; None for what is only a hint."""
    return found.value if found and found.evidence and found.evidence[0].confidence >= HINT else None


TABLE = """# Model
It needs an NVIDIA GPU.

| Model | Trained on | GPU memory to finetune | GPU memory to generate |
|:------|:----------:|:----------------------:|:----------------------:|
| Toy-1B | 2.2T | 5GB | 3GB |
| Toy-7B | 2.4T | 12GB | 9GB |

Toy-7B answers questions. Load Toy-7B like this.
"""


def test_a_table_tells_gpu_memory_only_under_headings_that_name_it():
    found = of({"README.md": TABLE})
    assert asserted(found.vram_bytes) == 9 * GIB
    assert found.vram_bytes.evidence[0].line == 7


def test_the_first_row_counts_where_the_document_speaks_of_none_in_particular():
    found = of({"README.md": TABLE.partition("\nToy-7B answers")[0]})
    assert asserted(found.vram_bytes) == 3 * GIB


@pytest.mark.parametrize("size", ["2.2T", "640GB", "1.5TB"])
def test_more_than_any_gpu_has_is_not_asked_of_one(size):
    found = of({"README.md": f"# Model\nRequires a GPU with at least {size} of VRAM."})
    assert found.vram_bytes is None


def test_tokens_are_no_terabytes():
    found = of({"README.md": "# Data\n\n| corpus | disk space |\n|---|---|\n| big | at least 3T disk |\n"})
    assert found.disk_bytes is None


@pytest.mark.parametrize(
    "text",
    [
        "To run the tests on 8 AMD GPUs (inside the container):",
        "This page describes how to run it on a single GPU or TPU host.",
        "You need to know the compute capability of the GPU you will be using.",
        "Training was run on four GPUs.\n\nFinetune with a single GPU:",
    ],
)
def test_an_example_a_choice_and_contradictions_are_no_number_of_gpus(text):
    assert asserted(of({"README.md": f"# Net\nTrained with CUDA on NVIDIA GPUs.\n\n## Use\n{text}"}).gpu_count) is None


def test_a_smaller_complete_machine_that_will_do_is_the_need():
    text = "# Model\nThe model fits on a single 80GB GPU.\n\n## Reference\nRequires at least 4x H100 GPUs unoptimised."
    found = of({"README.md": text})
    assert asserted(found.gpu_count) == 1
    assert asserted(found.vram_bytes) == 80 * GIB


def test_the_same_in_three_recipes_is_said_of_the_whole():
    recipe = "# Recipe\nYou will require 8 GPUs (80GB of VRAM) to train the model."
    recipes = {f"recipes/{name}/README.md": recipe for name in ("a", "b", "c")}
    found = of({"README.md": "# Handbook\nTraining needs GPUs.", **recipes})
    assert asserted(found.vram_bytes) == 80 * GIB
    assert asserted(found.gpu_count) == 8
    two = dict(list(recipes.items())[:2])
    assert asserted(of({"README.md": "# Handbook\nTraining needs GPUs.", **two}).vram_bytes) is None


def test_a_base_image_that_may_be_replaced_yields_to_code_that_chooses_its_device():
    docker = 'ARG BASE=nvidia/cuda:12.1.0-base-ubuntu22.04\nFROM ${BASE}\nCMD ["tts"]\n'
    code = 'import torch\ndevice = "cuda" if torch.cuda.is_available() else "cpu"\n'
    assert of({"Dockerfile": docker, "speak.py": code}).gpu.value is GpuNeed.OPTIONAL
    assert of({"Dockerfile": docker, "speak.py": "print(1)\n"}).gpu.value is GpuNeed.NEEDED
    fixed = docker.replace("${BASE}", "nvidia/cuda:12.1.0-base-ubuntu22.04")
    assert of({"Dockerfile": fixed, "speak.py": code}).gpu.value is GpuNeed.NEEDED


def test_what_automake_links_where_it_is_found_is_not_needed():
    make = "bin_PROGRAMS = tool\nif HAVE_HDFS\nLIBS += -lhdfs\nendif\nif HAVE_CUDA\nLIBS += -lcudart\nendif\n"
    assert of({"src/Makefile.am": make, "src/tool.c": "int main(void){}\n"}).gpu.value is GpuNeed.NO
    always = "bin_PROGRAMS = tool\nif HAVE_HDFS\nLIBS += -lhdfs\nendif\nLIBS += -lcudart\n"
    assert of({"src/Makefile.am": always, "src/tool.c": "int main(void){}\n"}).gpu.value is GpuNeed.NEEDED


def notebook(*cells: str) -> str:
    lines = ",\n".join(f'    "{cell}"' for cell in cells)
    return f'{{"cells": [{{"cell_type": "code", "source": [\n{lines}\n   ]}}]}}\n'


def test_cells_of_notebooks_say_that_a_gpu_is_of_use():
    found = of({"01.ipynb": notebook("import torch\\n", "model.cuda()\\n"), "02.ipynb": notebook("print(1)")})
    assert found.gpu.value is GpuNeed.OPTIONAL
    assert found.gpu.evidence[0].file == "01.ipynb"
    assert of({"01.ipynb": notebook("import pandas\\n")}).gpu.value is GpuNeed.NO


def test_what_is_installed_for_notebooks_counts_where_the_root_declares_nothing():
    book = {"01.ipynb": notebook("from lesson import *\\n")}
    assert of({**book, ".devcontainer/requirements.txt": "jupyterlab\ntorch\n"}).gpu.value is GpuNeed.OPTIONAL
    declared = {"requirements.txt": "jupyterlab\n", ".devcontainer/requirements.txt": "torch\n"}
    assert of({**book, **declared}).gpu.value is GpuNeed.NO
