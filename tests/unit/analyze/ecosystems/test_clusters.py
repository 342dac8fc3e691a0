# SPDX-License-Identifier: Apache-2.0
"""C and C++ builds, clusters, Spack, continuous integration, pinned tools, files of hosts."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.evidence import Origin
from homeport.model.requirements import Ecosystem, GpuNeed, Kind
from homeport.testing.fetchers import DictView

GIB = 1 << 30
NO, OPTIONAL, NEEDED = GpuNeed.NO, GpuNeed.OPTIONAL, GpuNeed.NEEDED
MAIN = {"main.cpp": "int main() { return 0; }\n"}


def value(files: dict[str, str], field: str) -> object:
    found = getattr(analyze(DictView(files)), field)
    return found.value if found is not None else None


@pytest.mark.parametrize(
    ("files", "need"),
    [
        ({"CMakeLists.txt": "find_package(Kokkos REQUIRED)\n"}, OPTIONAL),
        ({"CMakeLists.txt": "find_package(OpenACC)\n"}, OPTIONAL),
        ({"CMakeLists.txt": "find_package(IntelSYCL REQUIRED)\n"}, OPTIONAL),
        ({"CMakeLists.txt": 'option(USE_HIP "for AMD" OFF)\n'}, OPTIONAL),
        ({"CMakeLists.txt": "# find_package(Kokkos)\n"}, NO),
        ({"Makefile": "FLAGS = -O3 -acc -Minfo\n"}, OPTIONAL),
        ({"CMakeLists.txt": "find_package(MPI REQUIRED)\n"}, NO),
        ({"package.py": 'class Heat(CMakePackage):\n    variant("cuda", default=False, description="x")\n'}, OPTIONAL),
        ({"package.py": 'class Heat(CMakePackage, CudaPackage):\n    pass\n'}, OPTIONAL),
        ({"package.py": 'class Heat(CMakePackage):\n    depends_on("cuda@11:")\n'}, NEEDED),
        ({"package.py": 'class Heat(CMakePackage):\n    depends_on("cuda@11:", when="+cuda")\n'}, NO),
        ({"spack.yaml": "spack:\n  specs:\n  - heat +cuda cuda_arch=80\n"}, NEEDED),
        ({"spack.yaml": "spack:\n  specs:\n  - heat ~cuda\n"}, NO),
        ({"run.sh": "srun --gres=gpu:2 ./heat\n"}, OPTIONAL),
        ({"job.pbs": "#PBS -l nodes=1:ppn=4:gpus=2\n./heat\n"}, NEEDED),
        ({"job.sge": "#$ -l gpu=1\n./heat\n"}, NEEDED),
        ({"nextflow.config": "process {\n  withLabel: gpu {\n    accelerator = 1\n  }\n}\n"}, OPTIONAL),
        ({".github/workflows/ci.yml": "jobs:\n  t:\n    runs-on: [self-hosted, gpu]\n"}, NO),
        ({".gitlab-ci.yml": "test:\n  tags:\n    - gpu-runner\n"}, NO),
    ],
)  # fmt: skip
def test_builds_and_jobs_say_whether_a_gpu_is_needed(files, need):
    assert analyze(DictView({**MAIN, **files})).gpu.value is need


@pytest.mark.parametrize(
    ("files", "field", "found"),
    [
        ({"CMakeLists.txt": "set(CMAKE_CXX_STANDARD 17)\n"}, "language_version", "17"),
        ({"CMakeLists.txt": "target_compile_features(a PUBLIC cxx_std_20)\n"}, "language_version", "20"),
        ({"Makefile": "CXXFLAGS = -std=c++2a\n"}, "language_version", "20"),
        ({"CMakeLists.txt": "find_package(MPI REQUIRED)\nadd_executable(heat main.cpp)\n"}, "kind", Kind.HPC),
        ({"CMakeLists.txt": "add_executable(heat main.cpp)\n"}, "kind", Kind.CLI),
        ({"CMakeLists.txt": "add_library(heat main.cpp)\nadd_executable(heat_test t.cpp)\n"}, "kind", Kind.LIBRARY),
        ({"CMakeLists.txt": ""}, "ecosystem", Ecosystem.CPP),
        ({"CMakeLists.txt": "", "requirements.txt": "numpy\n", "setup.py": ""}, "ecosystem", Ecosystem.PYTHON),
        ({"job.slurm": "#SBATCH --time=90\n"}, "hours", 1.5),
        ({"job.sge": "#$ -pe smp 8\n"}, "cpus", 8.0),
        ({"job.sge": "#$ -l h_vmem=16G\n"}, "memory_bytes", 16 * GIB),
        ({"job.lsf": "#BSUB -W 24:00\n"}, "hours", 24.0),
        ({"run.sh": "mpirun -np 16 ./heat\n"}, "kind", Kind.HPC),
        ({"nextflow.config": "process {\n  memory = '32 GB'\n  cpus = 8\n}\n"}, "memory_bytes", 32 * GIB),
        ({"Snakefile": "rule a:\n    resources: mem_mb=8192\n"}, "memory_bytes", 8 * GIB),
        ({"Snakefile": "rule a:\n    threads: 4\n"}, "kind", Kind.DATA),
        ({"package.py": 'class Heat(Package):\n    depends_on("mpi")\n'}, "kind", Kind.HPC),
        ({".github/workflows/ci.yml": "steps:\n  - run: sudo apt-get install -y libfftw3-dev\n"}, "system_packages",
         ("libfftw3-dev",)),
        ({".github/workflows/ci.yml": "    runs-on: ubuntu-22.04\n"}, "os_family", "ubuntu"),
        ({".env.example": "PORT=3456\n"}, "port", 3456),
        ({"backend/.env.example": "APP_PORT=3457\n"}, "port", 3457),
        ({".env.example": "DB_PORT=5432\n"}, "port", None),
        ({"fly.toml": "[http_service]\n  internal_port = 4321\n"}, "port", 4321),
        ({"render.yaml": "services:\n  - type: web\n    healthCheckPath: /up\n"}, "health_path", "/up"),
        ({"render.yaml": "services:\n  - type: web\n    startCommand: ./bin/serve --port 9000\n"}, "start",
         ("./bin/serve", "--port", "9000")),
        ({"railway.json": '{"deploy": {\n"startCommand": "node server.js"\n}}\n'}, "start", ("node", "server.js")),
        ({"nixpacks.toml": "[start]\ncmd = 'python serve.py'\n"}, "start", ("python", "serve.py")),
    ],
)  # fmt: skip
def test_files_say_what_a_machine_must_have(files, field, found):
    assert value({**MAIN, **files}, field) == found


def test_cuda_asked_for_by_a_build_counts_where_a_gpu_is_of_use():
    files = {**MAIN, "CMakeLists.txt": "enable_language(CUDA)\nfind_package(CUDAToolkit 12.1 REQUIRED)\n"
             "set(CMAKE_CUDA_ARCHITECTURES 70;80)\n"}  # fmt: skip
    found = analyze(DictView(files))
    assert (found.gpu.value, found.cuda.value, found.compute_capability.value) == (NEEDED, "12.1", "7.0")


def test_what_only_integration_says_of_a_version_yields_to_the_project():
    files = {"go.mod": "module a\n\ngo 1.20\n", "a.go": "package a\n",
             ".github/workflows/ci.yml": "        go-version: '1.23'\n"}  # fmt: skip
    assert value(files, "runtime_version") == "1.20"
    files["go.mod"] = "module a\n"
    assert value(files, "runtime_version") == "1.23"


@pytest.mark.parametrize(
    ("files", "ecosystem", "version"),
    [
        ({"go.mod": "module a\n\ngo 1.22\n", "main.go": "package main\n\nfunc main() {}\n" * 20,
          "package.json": '{"scripts": {"start": "vite"}, "dependencies": {"vite": "5"}, "engines": {"node": "20"}}',
          ".python-version": "3.12\n"}, Ecosystem.GO, "1.22"),
        ({"Gemfile": 'ruby "3.2.0"\ngem "rails"\n', "config/application.rb": "Rails\n" * 200,
          "package.json": '{"engines": {"node": "20"}}', "app/javascript/a.js": "x\n"}, Ecosystem.RUBY, "3.2.0"),
        ({"requirements.txt": "flask\n", "app.py": "x = 1\n" * 200, "Cargo.toml": '[package]\nname = "ext"\n',
          "src/lib.rs": "\n", ".python-version": "3.11\n", "rust-toolchain": "1.80.0\n"}, Ecosystem.PYTHON, "3.11"),
    ],
)  # fmt: skip
def test_the_version_is_that_of_the_language_most_of_it_is_written_in(files, ecosystem, version):
    found = analyze(DictView(files))
    assert (found.ecosystem.value, found.runtime_version.value) == (ecosystem, version)
    assert ecosystem is Ecosystem.PYTHON or not found.install


def test_what_homeport_cannot_build_runs_from_its_dockerfile():
    files = {"go.mod": "module a\n\ngo 1.22\n", "main.go": "package main\n\nfunc main() {}\n"}
    alone = analyze(DictView(files))
    assert any("Dockerfile" in text for text in alone.warnings)
    packed = analyze(DictView({**files, "Dockerfile": "FROM golang:1.22\nCOPY . .\nENTRYPOINT sh -c 'a && b'\n"}))
    assert packed.dockerfile.value == "Dockerfile"
    assert not any("it is started by" in text for text in packed.warnings)
    assert packed.start.origin is Origin.CODE


@pytest.mark.parametrize(
    "files",
    [
        {"CMakeLists.txt": "find_package(MPI " * 15_000},
        {"CMakeLists.txt": "set(CMAKE_CUDA_ARCHITECTURES " + "70;" * 80_000},
        {"package.py": 'variant("cuda"' * 15_000 + "\nclass A(" + "B," * 50_000},
        {"spack.yaml": "- a" + " +x" * 80_000 + "\n"},
        {"job.slurm": "#SBATCH " + "-t " * 80_000},
        {"run.sh": "module load " + "a " * 100_000 + "\n" + "srun " * 50_000},
        {"nextflow.config": "memory " * 40_000},
        {".gitlab-ci.yml": "image: " + "a/" * 100_000 + "\n" + "apt-get install " * 10_000},
        {".tool-versions": "golang " + "1." * 100_000},
        {"fly.toml": "path = " + "'" * 200_000},
        {"app.json": "[" * 100_000},
        {".env.example": "PORT=" + "9" * 200_000},
    ],
)
def test_hostile_build_files_decide_nothing(files):
    found = analyze(DictView({**MAIN, **files}))
    assert found.gpu.value is NO
    assert found.port is None


def test_steps_that_differ_are_hints_on_memory():
    text = "process {\n  withLabel: a {\n    memory = 4.GB\n  }\n  withLabel: b {\n    memory = 200.GB\n  }\n}\n"
    found = analyze(DictView({"nextflow.config": text}))
    assert found.memory_bytes.value == 200 * GIB
    assert found.memory_bytes.evidence[0].confidence < 0.5
