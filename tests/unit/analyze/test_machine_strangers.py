# SPDX-License-Identifier: Apache-2.0
"""What repositories of strangers say about a machine, each case small and made up."""

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


@pytest.mark.parametrize(
    "path",
    ["docs/manual.md", "docker/HOW_TO_USE_DOCKER.md", "docs/start/system-requirements.mdx", "docs/model.md"],
)
def test_a_guide_that_speaks_for_the_whole_says_how_much_memory(path):
    found = of({"README.md": "# Tool\nA server.", path: "# Running\nYou need at least 8 GB of RAM."})
    assert asserted(found.memory_bytes) == 8 * GIB


def test_a_page_of_requirements_asks_for_what_it_lists():
    found = of({"README.md": "# Tool", "docs/system-requirements.md": "# Machine\n\n* 16 GB RAM\n* 20 GB disk space"})
    assert asserted(found.memory_bytes) == 16 * GIB
    assert asserted(found.disk_bytes) == 20 * GIB


def test_one_page_of_very_many_does_not_speak_for_the_whole():
    pages = {f"docs/page{number}.md": "This recipe needs at least 64 GB of RAM." for number in range(40)}
    assert asserted(of({"README.md": "# Tool", **pages}).memory_bytes) is None


@pytest.mark.parametrize(
    "text",
    [
        "For example, if you have 16 GB of RAM, choose a small model.",
        "Run it like this: tool sort --executor-memory 4G --input a",
        "You can keep the cache in memory (we have 512 GB of RAM).",
    ],
)
def test_an_amount_that_is_only_supposed_is_not_asserted(text):
    assert asserted(of({"README.md": f"# Tool\n{text}"}).memory_bytes) is None


def test_less_than_an_amount_being_discouraged_is_asking_for_it():
    found = of({"README.md": "# Store\nRunning it on a system with less than 2GB of RAM is **not** recommended."})
    assert asserted(found.memory_bytes) == 2 * GIB


def test_memory_named_right_after_a_gpu_is_the_gpus():
    found = of({"README.md": "# Music\nYou must have a GPU. We recommend 16GB of memory."})
    assert asserted(found.vram_bytes) == 16 * GIB
    assert asserted(found.memory_bytes) is None


def test_ram_named_right_after_a_gpu_is_the_machines():
    found = of({"README.md": "# Music\nYou must have a GPU. You also need at least 16GB of RAM."})
    assert asserted(found.memory_bytes) == 16 * GIB
    assert asserted(found.vram_bytes) is None


def test_a_card_that_is_cut_in_parts_says_no_size_that_is_needed():
    found = of({"README.md": "# Plugin\nShared resources on an A100 40GB card would be listed."})
    assert asserted(found.vram_bytes) is None


def test_a_sentence_that_denies_a_need_with_many_words_denies_it():
    found = of({"README.md": "# Upscaler\nNo CUDA or PyTorch environment at all is needed."})
    assert found.gpu.value is not GpuNeed.NEEDED


def test_one_feature_that_requires_a_gpu_leaves_the_rest_without():
    found = of({"README.md": "# Chat\n* Search\n* Better splitting (requires GPU)"})
    assert found.gpu.value is not GpuNeed.NEEDED


def test_for_tpus_and_gpus_a_gpu_is_a_choice():
    text = "# Trainer\nTraining on TPUs and GPUs.\nTPU v4.\nTPU v5.\nStart a TPU.\nCloud TPU."
    found = of({"README.md": text})
    assert found.gpu.value is not GpuNeed.NO
    assert asserted(found.gpu_vendor) != "tpu"


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ('NVIDIA GPUs require "Driver" (440 or later) and "CUDA Toolkit" (9.0 or later)', "9.0"),
        ("## Requirements\n* Linux: CUDA 10.2 or higher\n* For example, if you have CUDA 12.6, set PATH.", "10.2"),
        ("```\nconda install pytorch cudatoolkit=10.0 -c pytorch\n```", "10.0"),
    ],
)
def test_a_version_of_cuda_is_what_is_asked_for_not_what_is_supposed(text, cuda):
    assert asserted(of({"README.md": f"# Tool\nNeeds an NVIDIA GPU.\n{text}"}).cuda) == cuda


def test_extras_for_several_versions_of_cuda_ask_for_none():
    lines = "\n".join(f'cu{n} = ["torch @ https://wheels.example/whl/cu{n}/torch.whl"]' for n in (118, 121, 128))
    found = of({"pyproject.toml": f"[project]\nname = 'x'\n[project.optional-dependencies]\n{lines}\n"})
    assert asserted(found.cuda) is None


def test_an_image_for_cpus_beside_one_for_gpus_makes_a_gpu_a_choice():
    found = of({"Dockerfile.cpu": "FROM tensorflow/tensorflow:2.9.0", "Dockerfile.gpu": "FROM nvidia/cuda:12.2.0-base"})
    assert found.gpu.value is GpuNeed.OPTIONAL


def test_a_base_image_of_an_example_is_weaker_than_the_projects_own_word():
    found = of({
        "README.md": "# Tool\nA GPU is optional.",
        "examples/serving/Dockerfile": "FROM nvidia/cuda:12.2.0-base-ubuntu22.04",
    })  # fmt: skip
    assert found.gpu.value is GpuNeed.OPTIONAL


def test_the_system_is_that_of_the_stage_that_an_alias_names():
    stages = ("ubuntu:noble AS base", "base AS build-amd64", "build-${TARGETARCH} AS all", "node:20 AS web", "all")
    found = of({"Dockerfile": "".join(f"FROM {stage}\n" for stage in stages)})
    assert (found.os_family.value, found.os_version.value) == ("ubuntu", "24.04")


@pytest.mark.parametrize(
    ("image", "family", "version"),
    [
        ("nvidia/cuda:12.4.1-base-ubuntu22.04", "ubuntu", "22.04"),
        ("debian:12", "debian", "12"),
        ("python:3.11-slim-bookworm", "debian", "12"),
        ("rockylinux:9", "rocky", "9"),
    ],
)
def test_a_base_image_says_the_release_of_its_system(image, family, version):
    found = of({"Dockerfile": f"FROM {image}\n"})
    assert (found.os_family.value, found.os_version.value) == (family, version)


def test_a_tag_that_is_a_languages_version_is_no_release():
    assert of({"Dockerfile": "FROM python:3.11-slim\n"}).os_version is None


def compose(*services: str) -> dict[str, str]:
    return {"docker-compose.yml": "services:\n" + "".join(services)}


WORKER = '  worker:\n    image: acme/worker:latest\n    ports:\n      - "127.0.0.1:3030:3030"\n'
WEB = "  web:\n    image: acme/web:latest\n    ports:\n      - 8080:80\n"


def test_what_people_open_comes_before_the_worker_behind_it():
    found = of(compose(WORKER, WEB))
    assert found.port.value == 80
    assert found.published_port.value == 8080


def test_an_image_called_latest_is_not_a_test():
    assert of(compose("  api:\n    image: acme:latest\n    ports:\n      - 8000:8000\n")).port.value == 8000


def test_a_port_that_is_published_as_it_is_has_no_other():
    files = compose(WEB) | {"README.md": "# Shop\n```\ndocker run -p 80:80 acme/web\n```"}
    assert of(files).published_port is None


@pytest.mark.parametrize("text", ["${APP_PORT:-9000}:80", "${APP_PORT}:80"])
def test_a_published_port_may_stand_in_an_example_of_the_settings(text):
    files = compose(f"  web:\n    image: acme/web\n    ports:\n      - {text}\n") | {".env.example": "APP_PORT=9000\n"}
    assert of(files).published_port.value == 9000


def test_the_port_of_another_image_in_a_guide_is_only_a_hint():
    found = of({
        "README.md": "# Search",
        "docs/guides/models/deploy_a_model.md": "```\ndocker run -p 80:80 other/server\n```",
        "docs/guides/models/deploy_another.md": "```\ndocker run -p 80:80 other/server\n```",
    })  # fmt: skip
    assert asserted(found.port) is None


def test_the_note_beside_a_check_says_the_memory():
    script = "# 16 GB minimum host RAM, less some overhead\nMIN_RAM_HARD=14000 # MB\n"
    assert asserted(of({"install/_min-requirements.sh": script}).memory_bytes) == 16 * GIB


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("Training takes about 3 days on 8 A100 GPUs.", 72.0),
        ("Fine-tuning takes 5-6 hours on one GPU.", 6.0),
        ("We trained it on 100 hours of speech.", None),
        ("Building the kernels takes 2 hours before training.", None),
    ],
)
def test_how_long_training_takes_is_read_from_documents(text, hours):
    assert asserted(of({"README.md": f"# Net\n{text}"}).hours) == hours


def test_shared_memory_is_what_the_command_for_docker_gives():
    found = of({"README.md": "# Net\n```\ndocker run --gpus all --shm-size=16g acme/net\n```"})
    assert asserted(found.shared_memory_bytes) == 16 * GIB


@pytest.mark.parametrize(
    ("files", "capability"),
    [
        ({"README.md": "# K\nRequires an NVIDIA GPU, Ampere or newer."}, "8.0"),
        ({"README.md": "# K\nNeeds an NVIDIA GPU.", "Makefile": "FLAGS=-gencode arch=compute_75,code=sm_75"}, "7.5"),
        (
            {
                "README.md": "# K\nNeeds an NVIDIA GPU.",
                "Dockerfile": 'FROM a\nENV TORCH_CUDA_ARCH_LIST="8.0;9.0+PTX"\n',
            },
            "8.0",
        ),
        (
            {"README.md": "# K\nNeeds an NVIDIA GPU.", "CMakeLists.txt": "set(CMAKE_CUDA_ARCHITECTURES 70 80)\n"},
            "7.0",
        ),
    ],
)
def test_the_least_compute_capability_is_read_from_documents_and_builds(files, capability):
    assert asserted(of(files).compute_capability) == capability


def test_what_counts_blocks_in_a_file_of_weights_is_no_size_of_a_model():
    assert of({"run.py": "model_path = 'weights/Upscaler_6B.pth'\n"}).vram_bytes is None


def test_keys_it_will_ask_for_are_named_with_their_places_and_without_their_values():
    found = of({
        "README.md": "# Bot\n```\nexport OPENAI_API_KEY=sk-abcdefghijklmnop\n```",
        "bot.py": "import os\ntoken = os.getenv('HF_TOKEN')\n",
        "docker-compose.yml": "services:\n  bot:\n    environment:\n      DB_PASSWORD: ${DB_PASSWORD:?say it}\n",
    })  # fmt: skip
    assert {"OPENAI_API_KEY", "HF_TOKEN", "DB_PASSWORD"} <= set(found.env)
    assert found.env_evidence["HF_TOKEN"].line == 2
    assert "sk-abc" not in found.env_evidence["OPENAI_API_KEY"].quote


def test_each_row_of_a_table_in_html_is_read_for_itself():
    rows = ("<td>Min VRAM</td><td>4GB</td>", "<td>RAM</td><td>Min 16GB</td>", "<td>Disk Space</td><td>Min 20GB</td>")
    text = "# Parser\n<table>\n" + "\n".join(f"<tr>\n{row}\n</tr>" for row in rows) + "\n</table>\nIt needs a GPU."
    found = of({"README.md": text})
    assert [asserted(one) for one in (found.vram_bytes, found.memory_bytes, found.disk_bytes)] == [
        4 * GIB, 16 * GIB, 20 * GIB
    ]  # fmt: skip


def test_memory_under_a_heading_about_gpus_is_not_the_machines():
    text = "# Stems\nA GPU is needed.\n## Memory requirements for the GPU\nAbout 7GB of RAM will be required."
    found = of({"README.md": text})
    assert asserted(found.vram_bytes) == 7 * GIB
    assert asserted(found.memory_bytes) is None


def test_what_a_benchmark_was_run_on_is_not_asked_for():
    found = of({"README.md": "# LM\nIt needs a GPU.\nThe profiling was done with an A100 GPU with 80 GB of memory."})
    assert asserted(found.vram_bytes) is None


def test_the_limit_of_the_one_pod_says_the_memory():
    values = "resources:\n  limits:\n    memory: 512Mi\n  requests:\n    memory: 128Mi\n"
    assert asserted(of({"deploy/values.yaml": values}).memory_bytes) == GIB // 2


def test_limits_of_many_programs_say_nothing_of_one():
    manifests = {f"k8s/{number}.yaml": f"spec:\n    memory: {number}Gi\n" for number in range(1, 6)}
    assert asserted(of(manifests).memory_bytes) is None
