# SPDX-License-Identifier: Apache-2.0
"""What files other than documents say of the machine, and how their words are weighed against each other."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.analyze.baseimages import BaseImage, read_base
from homeport.analyze.libraries import cpu_build, cuda_build
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed, Kind
from homeport.testing.fetchers import DictView

GIB = 1 << 30
NO, OPTIONAL, NEEDED = GpuNeed.NO, GpuNeed.OPTIONAL, GpuNeed.NEEDED


def of(**files: str):
    return analyze(DictView({name.replace("__", "/"): text for name, text in files.items()}))


@pytest.mark.parametrize(
    ("files", "need"),
    [
        ({"requirements.txt": "torch\n"}, OPTIONAL),
        ({"requirements.txt": "flash-attn\ntorch\n"}, NEEDED),
        ({"requirements.txt": "--extra-index-url https://x.example/whl/cpu\ntorch\n"}, NO),
        ({"requirements.txt": "triton>=2; platform_machine == 'x86_64'\n"}, NEEDED),
        ({"requirements.txt": "flask\nnvidia-ml-py\n"}, NO),
        ({"pyproject.toml": '[project]\nname="x"\n[project.optional-dependencies]\ngpu=["cupy-cuda12x"]\n'}, OPTIONAL),
        ({"environment.yml": "dependencies:\n  - cudatoolkit=11.3\n"}, NEEDED),
        ({"environment.yml": "dependencies:\n  - pytorch\n  - cpuonly\n"}, NO),
        ({"train.py": "model.cuda()\n", "requirements.txt": "torch\n"}, NEEDED),
        ({"train.py": 'd = "cuda" if torch.cuda.is_available() else "cpu"\n', "requirements.txt": "torch\n"}, OPTIONAL),
        ({"CMakeLists.txt": "project(x LANGUAGES CXX CUDA)\n", "a.cu": ""}, NEEDED),
        ({"CMakeLists.txt": "option(USE_CUDA OFF)\nif(USE_CUDA)\nenable_language(CUDA)\nendif()\n"}, OPTIONAL),
        ({"tests/k.cu": "", **{f"src/{n}.cpp": "" for n in range(20)}}, NO),
        ({"Makefile": "all:\n\tnvcc -o a a.cu\n", "a.cu": ""}, NEEDED),
        ({"Project.toml": '[deps]\nCUDA = "052768ef"\n'}, NEEDED),
        ({"Project.toml": '[weakdeps]\nCUDA = "052768ef"\n'}, OPTIONAL),
        ({"Cargo.toml": "[features]\ncuda = []\n"}, OPTIONAL),
        ({"job.slurm": "#SBATCH --gres=gpu:a100:4\n"}, NEEDED),
        ({"a.slurm": "#SBATCH --gres=gpu:1\n", "b.slurm": "#SBATCH --mem=4G\n"}, OPTIONAL),
        ({"Dockerfile": "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"}, NEEDED),
        ({"Dockerfile": "FROM debian:12\n", "gpu.Dockerfile": "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"}, OPTIONAL),
        ({"compose.yaml": "services:\n  app:\n    deploy:\n      devices:\n        - driver: nvidia\n"}, NEEDED),
        ({"compose.yaml": "services:\n  a:\n    image: x\n  b:\n    profiles: [gpu]\n    runtime: nvidia\n"}, OPTIONAL),
        ({"cog.yaml": "build:\n  gpu: true\n"}, NEEDED),
        ({"cog.yaml": "build:\n  gpu: false\n"}, NO),
        ({"a.ipynb": '{"metadata": {\n"accelerator": "GPU"}}\n'}, NEEDED),
        ({"k8s/pod.yaml": "limits:\n  nvidia.com/gpu: 1\n"}, OPTIONAL),
        ({"ds_config.json": '{\n"zero_optimization": {"stage": 3}}\n'}, NEEDED),
    ],
)  # fmt: skip
def test_the_files_say_whether_a_gpu_is_needed(files, need):
    assert analyze(DictView(files)).gpu.value is need


@pytest.mark.parametrize(
    ("files", "field", "value"),
    [
        ({"job.slurm": "#SBATCH --gres=gpu:a100:4\n"}, "gpu_count", 4),
        ({"job.slurm": "#SBATCH --mem=64G\n"}, "memory_bytes", 64 * GIB),
        ({"job.slurm": "#SBATCH --cpus-per-task=16\n"}, "cpus", 16.0),
        ({"job.slurm": "#SBATCH --time=1-12:30:00\n"}, "hours", 36.5),
        ({"job.pbs": "#PBS -l select=1:ncpus=8:mem=32gb:ngpus=2\n"}, "gpu_count", 2),
        ({"job.pbs": "#PBS -l select=1:ncpus=8:mem=32gb:ngpus=2\n"}, "memory_bytes", 32 * GIB),
        ({"Dockerfile": "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n"}, "cuda", "12.4"),
        ({"Dockerfile": "FROM alpine:3.20\nRUN apk add --no-cache git curl\n"}, "os_family", "alpine"),
        ({"Dockerfile": "FROM alpine:3.20\nRUN apk add --no-cache git curl\n"}, "system_packages", ("git", "curl")),
        ({"Dockerfile": "FROM alpine\nEXPOSE 22 3000\n"}, "port", 3000),
        ({"compose.yaml": 'services:\n  db:\n    image: postgres\n    ports:\n      - "5432:5432"\n  app:\n'
          '    build: .\n    shm_size: 8gb\n    ports:\n      - "8080:80"\n'}, "port", 80),
        ({"compose.yaml": "services:\n  app:\n    shm_size: 8gb\n"}, "shared_memory_bytes", 8 * GIB),
        ({"environment.yml": "dependencies:\n  - pytorch-cuda=12.1\n"}, "cuda", "12.1"),
        ({"requirements.txt": "torch==2.4.0+cu118\n"}, "cuda", "11.8"),
        ({"gradle.properties": "org.gradle.jvmargs=-Xmx6g\n"}, "memory_bytes", 6 * GIB),
        ({"install/check-requirements.sh": "MIN_RAM=4000 # MB\nMIN_CPU=2\n"}, "cpus", 2.0),
        ({"go.mod": "module x\ngo 1.23\n", "main.go": "package main\n"}, "language", "Go"),
        ({"go.mod": "module x\ngo 1.23\n", "main.go": "package main\n"}, "language_version", "1.23"),
        ({"job.slurm": "#SBATCH --mem=64G\n"}, "kind", Kind.HPC),
        ({"train.py": "x\n"}, "kind", Kind.TRAINING),
        ({"a.ipynb": "{}", "b.ipynb": "{}"}, "kind", Kind.NOTEBOOK),
        ({"requirements.txt": "mlx\n"}, "gpu_vendor", "apple"),
    ],
)  # fmt: skip
def test_the_files_say_how_much_and_which(files, field, value):
    found = getattr(analyze(DictView(files)), field)
    assert found.value == value and found.evidence[0].file in files


def test_jobs_that_differ_are_hints_not_a_size():
    found = analyze(DictView({f"{n}.slurm": f"#SBATCH --mem={n}G\n#SBATCH --cpus-per-task={n}\n" for n in range(2, 9)}))
    assert found.cpus.evidence[0].confidence < 0.5


def test_a_document_goes_before_a_base_image_and_the_other_is_shown():
    found = of(
        **{
            "README.md": "# X\nRequires a GPU and CUDA 11.8.",
            "Dockerfile": "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\n",
        }
    )
    assert (found.cuda.value, found.cuda.origin) == ("11.8", Origin.DOCUMENTED)
    assert "not 12.4 (Dockerfile:1): container yields to documented" in found.cuda.note


def test_a_hint_yields_to_what_is_firm_whoever_said_it():
    found = of(**{"requirements.txt": "torch\n", "train.py": "model.cuda()\n"})
    assert found.gpu.origin is Origin.CODE
    assert "not optional (requirements.txt:1): is a hint" in found.gpu.note


def test_one_gpu_is_the_default_where_one_is_needed_and_nothing_says_how_many():
    found = of(**{"requirements.txt": "vllm\n"})
    assert (found.gpu_count.value, found.gpu_count.origin) == (1, Origin.DEFAULT)
    assert of(**{"main.go": "x"}).gpu_count is None


@pytest.mark.parametrize(
    ("image", "base"),
    [
        ("nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04", BaseImage("ubuntu", "12.4", gpu=True, release="22.04")),
        ("nvcr.io/nvidia/cuda:13.2.0-base-ubi9", BaseImage("rhel", "13.2", gpu=True)),
        ("pytorch/pytorch:2.1.0-cuda11.8-cudnn8-runtime", BaseImage("ubuntu", "11.8", gpu=True)),
        ("rocm/dev-ubuntu-22.04:6.2.0", BaseImage("ubuntu", rocm="", gpu=True)),
        ("python:3.12-slim", BaseImage("debian")),
        ("node:20-alpine@sha256:0123", BaseImage("alpine")),
        ("rockylinux:9", BaseImage("rocky", release="9")),
        ("scratch", BaseImage()),
        ("localhost:5000/own/thing", BaseImage()),
    ],
)
def test_what_the_name_of_a_base_image_says(image, base):
    assert read_base(image) == base


@pytest.mark.parametrize(
    ("text", "version"), [("whl/cu124", "12.4"), ("torch==2.0+cu118", "11.8"), ("cu", ""), ("x+cu92", "9.2")]
)
def test_the_cuda_version_of_a_build(text, version):
    assert cuda_build(text) == version
    assert not cpu_build(text)
