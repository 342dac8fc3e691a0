# SPDX-License-Identifier: Apache-2.0
"""What the repositories that were kept unseen taught: each rule where it holds, and where it would be wrong."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import HINT, GpuNeed
from homeport.testing.fetchers import DictView

GIB = 1 << 30
NEEDS = "# Model\nIt requires an NVIDIA GPU.\n"


def of(files: dict[str, str]):
    return analyze(DictView(files))


def asserted(found):
    """The value, if somebody says so; None for what is only a hint."""
    return found.value if found and found.evidence and found.evidence[0].confidence >= HINT else None


JOINS = """import torch
import torch.distributed as dist


def work(rank, world):
    dist.init_process_group("nccl", rank=rank, world_size=world)
    model.cuda(rank)
    model.to("cpu")
"""


def test_a_program_that_always_joins_other_gpus_needs_them():
    assert of({"train.py": JOINS, "requirements.txt": "torch"}).gpu.value is GpuNeed.NEEDED


@pytest.mark.parametrize(
    "text",
    [
        JOINS.replace("    dist.init", "    if world > 1:\n        dist.init"),
        JOINS + "\n\n# gloo on machines without GPUs\n",
        JOINS + "\nif not torch.cuda.is_available():\n    device = 'cpu'\n",
        JOINS.replace('"nccl"', 'args.backend or "nccl"'),
    ],
    ids=["under an if", "another backend", "asks whether there is one", "an argument"],
)
def test_a_program_that_joins_other_gpus_where_there_are_some_can_do_without(text):
    assert of({"train.py": text, "requirements.txt": "torch"}).gpu.value is not GpuNeed.NEEDED


def test_a_part_that_joins_other_gpus_does_not_speak_for_the_whole():
    assert of({"extras/train.py": JOINS, "app.py": "print(1)"}).gpu.value is not GpuNeed.NEEDED


@pytest.mark.parametrize(
    "text",
    [
        "Weights are quantized on the GPU and moved back to CPU a few layers at a time.",
        "Use CPU offload to save GPU memory.",
        "Copies between CPU and GPU overlap with compute.",
    ],
)
def test_data_that_goes_to_the_cpu_and_back_is_no_way_to_do_without_a_gpu(text):
    assert of({"README.md": f"{NEEDS}\n{text}"}).gpu.value is GpuNeed.NEEDED


@pytest.mark.parametrize("text", ["Models run on CPU and GPU alike.", "A GPU is optional; CPU works as well."])
def test_a_choice_of_cpu_and_gpu_is_one(text):
    assert of({"README.md": f"# Tool\nA library.\n\n{text}"}).gpu.value is GpuNeed.OPTIONAL


SWITCH = 'project(x CXX)\noption(CUDA_ENABLED "Use CUDA where found" ON)\n'
IMAGE = "FROM nvidia/cuda:12.9.1-runtime-ubuntu24.04\nRUN make\n"


def test_an_image_for_gpus_is_one_way_where_build_and_documents_know_another():
    found = of(
        {
            "CMakeLists.txt": SWITCH,
            "docker/Dockerfile": IMAGE,
            "README.md": "# Maps\nBuilds maps.\n\nMatching runs on CPU or GPU. A GPU is optional.",
        }
    )
    assert found.gpu.value is GpuNeed.OPTIONAL
    assert found.cuda.value == "12.9"


@pytest.mark.parametrize(
    "files",
    [
        {"CMakeLists.txt": SWITCH, "Dockerfile": IMAGE, "README.md": NEEDS},
        {"CMakeLists.txt": SWITCH, "Dockerfile": IMAGE},
        {"Dockerfile": IMAGE, "main.cpp": "int main() {}"},
    ],
    ids=["documents insist", "documents say nothing", "no switch"],
)
def test_an_image_for_gpus_says_that_one_is_needed_otherwise(files):
    assert of(files).gpu.value is GpuNeed.NEEDED


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("* CUDA: version 11.0 or later is required by all variants.\n* one of them requires CUDA 12.4.", "11.0"),
        ("The default wheel is built with CUDA 13.1.\n\nOlder drivers take the CUDA 12 package instead.", "13.1"),
        ("We build packages for CUDA 12 and above.", "12"),
        ("We recommend CUDA 12.4 or 11.8.", "12.4"),
        ("It was tried with CUDA 11.7, 11.8 and 12.1.", None),
        ("Acceleration is there for NVIDIA (CUDA 12/13).", None),
        ("Tested with CUDA 11.7 and CUDA 12.0.", None),
    ],
)
def test_of_several_cuda_versions_the_one_for_all_is_taken_or_none(text, cuda):
    assert asserted(of({"README.md": f"{NEEDS}\n{text}"}).cuda) == cuda


@pytest.mark.parametrize(
    ("files", "cuda"),
    [
        ({"requirements.txt": "jax[cuda12_pip]>=0.4"}, "12"),
        ({"engine/requirements.txt": "jax[cuda11_cudnn86]>=0.4.2"}, "11"),
        ({"pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\ngpu = ["frames-cu12"]\n'}, "12"),
        ({"pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\nspeed = ["rt-cu12"]\n'}, None),
        ({"requirements-onebit.txt": "cupy-cuda111>=8.6"}, None),
        ({"requirements.txt": "nvidia-cublas-cu12==12.1.3.1"}, None),
        ({"requirements.txt": "cupy-cuda11x", "gpu/requirements.txt": "cupy-cuda12x"}, None),
        ({"requirements.txt": "# jax[cuda12]\njax"}, None),
    ],
)
def test_a_cuda_version_stands_in_the_names_of_what_is_installed_for_gpus(files, cuda):
    assert asserted(of({"README.md": NEEDS, **files}).cuda) == cuda


def test_a_program_that_uses_no_gpu_needs_no_cuda_whatever_is_installed():
    assert of({"requirements.txt": "flask\nnvidia-cublas-cu12==12.1", "app.py": "import flask"}).cuda is None


def test_an_argument_of_a_variant_stands_for_its_image():
    files = {
        "README.md": "# Base\nRuns on CPUs and GPUs.",
        "docker/Dockerfile.cpu": "FROM ubuntu:22.04\n",
        "docker/Dockerfile.cuda": "ARG BASE=nvidia/cuda:12.2.2-runtime-ubuntu22.04\nFROM ${BASE}\n",
        "Benchmarks/Dockerfile": "FROM python:3.8\n",
    }
    found = of(files)
    assert asserted(found.cuda) == "12.2"
    assert found.os_family.value == "ubuntu"  # and what measures it is not the thing


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("## Finetune a 70B model on dual 24GB GPUs", 2),
        ("Generation needs about 12GB of VRAM.", 1),
        ("Needs 12GB of VRAM. Train it with 4 GPUs.", 4),
        ("Needs 12GB of VRAM.\n\n```\ntorchrun --nproc_per_node=2 train.py\n```", 2),
        ("Needs 12GB of VRAM.\n\nIt was trained on 2 GPUs once.\n\nLater it was trained on 8 GPUs.", None),
    ],
)
def test_gpu_memory_is_said_of_one_where_nobody_speaks_of_several(text, count):
    assert asserted(of({"README.md": f"# Model\nA model for GPUs.\n\n{text}\n"}).gpu_count) == count


JOB = "#!/bin/bash\n#SBATCH --gres=gpu:{}\npython x.py\n"


def test_what_three_of_four_jobs_ask_for_is_asked_for():
    files = {f"lesson{number}/job.slurm": JOB.format(1) for number in range(4)} | {"last/job.slurm": JOB.format(2)}
    assert asserted(of(files).gpu_count) == 1


def test_jobs_that_measure_how_it_scales_ask_for_no_number():
    files = {f"scaling{number}/job.slurm": JOB.format(number) for number in (1, 2, 4, 8)}
    assert asserted(of(files).gpu_count) is None


TESTED = "This was tested on a machine with 12 vCPUs, 85 GB of RAM, a 3 TB disk and an A100 GPU."
REDUCED = (
    "The small preset uses a reduced version of the data. It requires 8 CPU cores, 8 GB of RAM and 600 GB of disk."
)


def test_the_machine_it_was_tested_on_counts_and_a_reduced_setting_less():
    found = of({"README.md": f"{NEEDS}\n{TESTED}\n\n{REDUCED}"})
    assert (asserted(found.cpus), asserted(found.memory_bytes)) == (12.0, 85 * GIB)
    assert asserted(of({"README.md": f"{NEEDS}\n{REDUCED}"}).memory_bytes) == 8 * GIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("This command currently uses just over 128GB of CPU RAM.", 128),
        ("If you have 128GB of system RAM, use a larger batch.", None),
        ("Our laptop has 64 GB of RAM.", None),
    ],
)
def test_memory_that_is_used_is_needed_and_memory_that_is_there_is_not(text, size):
    found = asserted(of({"README.md": f"{NEEDS}\n{text}"}).memory_bytes)
    assert found == (size and size * GIB)


@pytest.mark.parametrize("place", ["docker-files/alpine.Dockerfile", "packaging/docker/alpine/Dockerfile"])
def test_images_in_other_places_say_which_port_they_publish(place):
    assert asserted(of({place: 'FROM alpine:3.20\nEXPOSE 8080 8081\nCMD ["/bin/x"]\n'}).port) == 8080


@pytest.mark.parametrize(
    "files",
    [
        {
            "backend/docker/Dockerfile": "FROM node:22\nEXPOSE 3000\n",
            "frontend/docker/Dockerfile": "FROM node:22\nEXPOSE 3001\n",
        },
        {"packaging/rpm/Dockerfile": "FROM rockylinux:9\nEXPOSE 8080\n"},
        {"tests/ssh/Dockerfile": "FROM alpine\nEXPOSE 2222\n"},
        {"images/ssh/Dockerfile": "FROM alpine\nEXPOSE 22\n"},
    ],
    ids=["parts that differ", "what packs it", "tests", "a shell"],
)
def test_images_that_are_not_the_whole_publish_no_port_for_it(files):
    assert asserted(of(files).port) is None


DEVELOPED = "# Links\nKeeps links.\n\n## Development\nThe frontend is now available under http://localhost:8000\n"


def test_the_port_one_develops_with_yields_to_the_one_that_is_deployed():
    compose = 'services:\n  links:\n    image: x/links\n    ports:\n      - "9090:9090"\n'
    assert asserted(of({"README.md": DEVELOPED, "docker-compose.yml": compose}).port) == 9090
    assert asserted(of({"README.md": DEVELOPED}).port) == 8000


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("Enter the URL http://<ip>:61208 in your browser.", 61208),
        ("Enter the URL http://<server-ip>:61208 in your browser.", 61208),
        ("    docker run -d -p 61208-61209:61208-61209 x/look\n", 61208),
        ("It took <p>:61208 seconds.", None),
    ],
)
def test_addresses_and_ranges_of_ports(text, port):
    assert asserted(of({"README.md": f"# Look\nShows things.\n\n{text}"}).port) == port


ASKS = """import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--port', type=int, default={})
if __name__ == '__main__':
    parser.parse_args()
"""


def test_arguments_of_several_programs_say_no_port():
    files = {"demo/controller.py": ASKS.format(10075), "demo/worker.py": ASKS.format(21002)}
    assert asserted(of(files).port) is None
    assert asserted(of({"server.py": ASKS.format(9000)}).port) == 9000


def test_a_port_that_training_meets_at_is_none():
    assert asserted(of({"train_distributed.py": ASKS.format(29500)}).port) is None


STAGES = """ARG CUDA=cu128
FROM nvidia/cuda:13.0.3-devel-ubuntu24.04 AS cu130
FROM nvidia/cuda:12.8.1-devel-ubuntu24.04 AS cu128
FROM ${CUDA} AS final
RUN make
"""


def test_an_argument_that_chooses_among_images_for_gpus_leaves_no_other():
    files = {"Dockerfile": STAGES, "docker/Dockerfile.jetson": "FROM nvcr.io/nvidia/l4t-base:r36.2.0\n"}
    assert of(files).gpu.value is GpuNeed.NEEDED


def test_an_argument_that_is_the_image_leaves_another():
    files = {
        "Dockerfile": "ARG BASE=nvidia/cuda:12.2.0-base-ubuntu22.04\nFROM ${BASE}\n",
        "README.md": "# Talk\nSpeaks.\n\nRun it with `--device cpu` or on a GPU.",
    }
    assert of(files).gpu.value is not GpuNeed.NEEDED


@pytest.mark.parametrize(
    "text",
    [
        "To run on CPU instead of GPU, pass `--device cpu`.\n\nThe large model requires 8 GB of GPU memory.",
        "## Requirements\n* `nvidia-ml-py` (for the GPU plugin)\n* Python 3.9",
    ],
)
def test_a_gpu_that_one_can_skip_is_optional(text):
    assert of({"README.md": f"# Tool\nIt writes.\n\n{text}"}).gpu.value is GpuNeed.OPTIONAL


def test_a_demo_that_runs_without_a_gpu_does_not_speak_for_the_whole():
    text = "Try the demo in Colab (no GPU needed).\n\nTraining requires 8 NVIDIA V100 GPUs."
    assert of({"README.md": f"# Model\nA model.\n\n{text}"}).gpu.value is GpuNeed.NEEDED
    assert of({"README.md": "# Model\nA model.\n\nNo GPU is needed."}).gpu.value is not GpuNeed.NEEDED


def test_what_monitors_machines_needs_no_gpu():
    text = "# Look\nAn open-source system monitoring tool.\n\n## Requirements\n* NVIDIA GPU with its driver"
    assert of({"README.md": text}).gpu.value is GpuNeed.OPTIONAL
    assert of({"README.md": text.replace("system monitoring tool", "solver of flows")}).gpu.value is GpuNeed.NEEDED


def test_a_machine_for_rent_is_no_need_for_its_memory():
    text = "The smallest virtual machine is sufficient, which includes 1/2 M60 GPU, with 8 GB memory."
    assert asserted(of({"README.md": f"{NEEDS}\n{text}"}).vram_bytes) is None


def test_memory_that_a_model_takes_is_not_the_machines():
    found = of({"README.md": f"{NEEDS}\nFine-tuning a 7B model only requires 9GB of memory."})
    assert asserted(found.memory_bytes) is None
    assert asserted(of({"README.md": f"{NEEDS}\nThe server requires 9GB of RAM."}).memory_bytes) == 9 * GIB


MANY = (
    "Fine-tune it on one node with 8 GPUs.\n\nTrain it on 2 nodes with 8 GPUs each.\n\nTrain the rest with 8 GPUs.\n\n"
)
MANY += "Test it after training with 8 GPUs.\n"


def test_the_number_of_gpus_most_sentences_tell_is_taken():
    assert asserted(of({"README.md": f"{NEEDS}\n{MANY}\nEvaluate it on a single GPU."}).gpu_count) == 8
    differ = MANY.replace("8 GPUs", "4 GPUs", 2)
    assert asserted(of({"README.md": f"# Model\nA model for GPUs.\n\n{differ}"}).gpu_count) is None


def test_an_image_says_its_cuda_before_the_page_of_a_part():
    files = {
        "docker/Dockerfile": "FROM nvidia/cuda:12.6.1-base-ubuntu22.04\n",
        "docker/README.md": "# Image\n* CUDA version 10.1: required by default.",
    }
    assert of({"README.md": NEEDS, **files}).cuda.value == "12.6"


EXTRA = '[project]\nname = "x"\ndependencies = ["accelerate"]\n[project.optional-dependencies]\nfast = ["vllm"]\n'
TORCH = "FROM pytorch/pytorch:2.8.0-cuda12.8-cudnn9-devel\n"


def test_an_image_for_gpus_is_one_way_to_install_what_needs_them_for_extras_only():
    readme = "# Tune\nTunes models.\n\nIt runs on CPU or GPU; a GPU is optional."
    files = {"pyproject.toml": EXTRA, "docker/tune/Dockerfile": TORCH}
    assert of({**files, "README.md": readme}).gpu.value is GpuNeed.OPTIONAL
    assert of({**files, "README.md": NEEDS}).gpu.value is GpuNeed.NEEDED


def test_a_card_it_was_compared_on_is_not_asked_for():
    text = "We evaluated it vs. another on a single RTX 4090(24G); results are shown below."
    found = of({"README.md": f"# Serve\nRuns models on a GPU.\n\n{text}"})
    assert (asserted(found.vram_bytes), asserted(found.gpu_count)) == (None, None)
    found = of({"README.md": "# Train\nTrains models on a GPU.\n\nIt was trained on a single RTX 4090(24G)."})
    assert asserted(found.vram_bytes) == 24 * GIB
