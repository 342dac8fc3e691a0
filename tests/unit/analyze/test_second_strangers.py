# SPDX-License-Identifier: Apache-2.0
"""What more repositories of strangers taught, each case small and made up."""

from __future__ import annotations

import pytest

from homeport.analyze import analyze
from homeport.model.requirements import HINT, GpuNeed, Kind
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


def test_a_tunnels_ports_are_of_other_programs():
    text = "# Gate\n```\nssh -R :80:127.0.0.1:8080 me@gate -p 2200\n```\n```\nssh -R :80:127.0.0.1:8080 you@gate\n```\n"
    assert of({"README.md": text}).port is None


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("conf/gate.toml", "# where it waits\nbindPort = 7000\n\n[log]\nport = 514\n"),
        ("conf/gate.ini", "[server]\nhttp_port = 7000\n[smtp]\nport = 25\n"),
        ("config/default.yaml", "server:\n  port: 7000\ndatabase:\n  port: 5433\n"),
        ("defaults/config.js", "module.exports = {\n\tport: 7000,\n\tldap: {\n\t\tport: 1389,\n\t},\n};\n"),
        ("config.example.yaml", "listen: 0.0.0.0:7000\nupstream:\n  address: other:8000\n"),
    ],
)
def test_settings_that_ship_say_where_it_listens(file, text):
    assert asserted(of({"README.md": "# Gate", file: text}).port) == 7000


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("conf/nginx.conf", "listen: 7000\n"),
        ("configs/train.yaml", "port: 7000\n"),
        ("tests/config/app.toml", "port = 7000\n"),
        ("config/db.yaml", "database:\n  port: 7000\n"),
        ("config/app.yaml", "port: 5432\n"),
    ],
)
def test_settings_of_others_say_nothing(file, text):
    assert of({"README.md": "# Gate", file: text}).port is None


def test_settings_that_differ_are_hints():
    found = of({"conf/a.toml": "port = 7000\n", "conf/b.toml": "port = 7001\n"})
    assert found.port is not None
    assert asserted(found.port) is None


def test_an_exposed_port_may_be_an_argument_with_a_default():
    docker = (
        "FROM debian:12\nARG WEB_EXPOSE=8085\nENV WEB_PORT=$WEB_EXPOSE\n"
        "HEALTHCHECK CMD curl --fail http://localhost:$WEB_PORT/health || exit 1\n"
        'EXPOSE ${WEB_EXPOSE}\nENTRYPOINT ["./web"]\n'
    )
    found = of({"Dockerfile": docker})
    assert found.port.value == 8085
    assert found.health_path.value == "/health"
    unknown = of({"Dockerfile": 'FROM debian:12\nARG WEB_EXPOSE\nEXPOSE $WEB_EXPOSE\nENTRYPOINT ["./web"]\n'})
    assert unknown.port is None


def test_variables_that_grow_by_one_another_cost_little():
    lines = "\n".join(f"ENV V{at + 1}=$V{at}$V{at}" for at in range(200))
    assert of({"Dockerfile": f"FROM debian:12\nENV V0=xxxxxxxx\n{lines}\nEXPOSE $V200\n"}).port is None


def test_a_compose_file_that_adds_ports_to_the_plain_one_is_read():
    plain = "services:\n  chat:\n    image: chat\n"
    adds = "services:\n  chat:\n    ports:\n      - ${APP_PORT}:8065\n"
    files = {"docker-compose.yml": plain, "docker-compose.without-nginx.yml": adds, "env.example": "APP_PORT=8066\n"}
    found = of(files)
    assert asserted(found.port) == 8065
    assert found.published_port.value == 8066
    other = plain + '    ports:\n      - "9000:9000"\n'
    assert of({**files, "docker-compose.yml": other}).port.value == 9000


def test_the_port_of_a_page_that_is_shown():
    code = "import os\ndemo = make()\ndemo.launch(server_port=int(os.getenv('SERVER_PORT', '8081')))\n"
    assert asserted(of({"gradio_server.py": code}).port) == 8081
    assert asserted(of({"app.py": code.replace("int(os.getenv('SERVER_PORT', '8081'))", "7861")}).port) == 7861
    assert of({"app.py": code.replace("SERVER_PORT", "REDIS_PORT")}).port is None


def test_a_package_within_does_not_say_where_the_whole_listens():
    code = "p = parser()\np.add_argument('--port', default=8000)\nif __name__ == '__main__':\n    p.parse_args()\n"
    found = of({"setup.py": "", "part/pyproject.toml": "", "part/part/cli.py": code})
    assert asserted(found.port) is None
    assert asserted(of({"setup.py": "", "part/cli.py": code}).port) == 8000


def kind_of(files: dict[str, str]):
    return asserted(of(files).kind)


SPEAKS = {"requirements.txt": "torch\n", "train.py": "import torch\n", "setup.py": ""}


def test_what_the_readme_has_people_run_first_is_what_it_is_for():
    infer, train = "```\npython example.py --fast\n```\n", "```\npython train.py\n```\n"
    assert kind_of({**SPEAKS, "README.md": f"# Net\n## Use\n{infer}\n## Train\n{train}"}) is Kind.INFERENCE
    assert kind_of({**SPEAKS, "README.md": f"# Net\n## Train\n{train}\n## Use\n{infer}"}) is Kind.TRAINING
    assert kind_of({**SPEAKS, "README.md": f"# Net\n## Evaluation\n{infer}\n## Train\n{train}"}) is Kind.TRAINING


def test_modules_that_are_run_count_as_their_files_do():
    run = "# Net\nNeeds a GPU.\n```\ntorchrun --nproc-per-node=4 -m net.{}\n```"
    assert kind_of({**SPEAKS, "README.md": run.format("generate ckpt/")}) is Kind.INFERENCE
    assert kind_of({"setup.py": "", "README.md": run.format("base_train")}) is Kind.TRAINING


def test_calls_shown_by_a_package_are_its_users():
    shown = "# Net\nNeeds torch on a GPU.\n```\nmodel.generate(text)\n```\n"
    assert kind_of({"README.md": shown, "requirements.txt": "torch\n"}) is Kind.INFERENCE
    assert kind_of({"README.md": shown, "requirements.txt": "torch\n", "setup.py": ""}) is Kind.LIBRARY


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"README.md": "# Ask\nA command-line client.", "setup.cfg": "[options.entry_points]\nconsole_scripts =\n"},
         "cli"),
        ({"README.md": "# Ask\nA command-line HTTP client.", "setup.cfg": "[metadata]\n", "setup.py": ""}, "library"),
        ({"README.md": "# Speak\nThis is a library.\n```\ndocker run -p 5002:5002 it\n```", "setup.py": ""},
         "library"),
        ({"README.md": "# Flow\nA scalable CFD solver.", "src/flow.f": "      end\n"}, "hpc"),
        ({"README.md": "# Flow\nA scalable CFD solver.", "src/flow.js": "run()\n"}, None),
        ({"README.md": "# Flow\nSolves PDEs.", "setup.py": "install_requires=['mpi4py']"}, "hpc"),
        ({"README.md": "# Mesh", "ex.ipynb": "{}", **{f"src/{at}.cpp": "int x;\n" for at in range(9)}}, None),
        ({"README.md": "# Gate", "conf/gate.toml": "bindPort = 7000\n", "go.mod": "module gate\n\nrequire (\n"
          "\tgithub.com/spf13/cobra v1.8.0\n)\n", "cmd/gate/main.go": "package main\n\nfunc main() {}\n"}, "service"),
        ({"Cargo.toml": '[package]\nname = "cat"\n[dependencies]\nclap = "4"\n', "src/lib.rs": "",
          "src/bin/cat/main.rs":
          "fn main() {}\n"}, "cli"),
    ],
)  # fmt: skip
def test_what_sort_of_work_it_is_by_its_own_words(files, kind):
    assert kind_of(files) == kind


def test_slurm_starting_python_is_no_work_by_mpi():
    def rules(line: str) -> set[str]:
        found = of({"launch.slurm": f"#!/bin/bash\n#SBATCH --gres=gpu:8\n{line}\n"}).kind
        return {one.rule for one in found.evidence}

    assert "hpc.mpirun" not in rules("srun --nodes=1 accelerate launch train.py")
    assert "hpc.mpirun" in rules("srun ./solver")


def test_builds_with_and_without_cuda_are_a_choice():
    lines = ["torch", "https://download.pytorch.org/whl/cpu", "https://download.pytorch.org/whl/cu128"]
    both = "[project]\nname = 'it'\ndependencies = ['torch']\n" + "".join(
        f"[[tool.uv.index]]\nname = 'i{at}'\nurl = '{url}'\n" for at, url in enumerate(lines[1:])
    )
    found = of({"pyproject.toml": both})
    assert found.gpu.value is GpuNeed.OPTIONAL
    assert asserted(found.cuda) == "12.8"
    cpu = both.partition("[[tool.uv.index]]\nname = 'i1'")[0]
    assert of({"pyproject.toml": cpu}).gpu.value is GpuNeed.NO


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Training was run on 4 A100-80GB nodes (32 GPUs).", 8),
        ("Training was run on 3 A100 nodes.", None),
        ("Training was run on a single GPU node.", None),
        ("Training was run on 4 nodes of 8 GPUs.", 8),
    ],
)
def test_how_many_nodes_there_are_is_no_number_of_gpus(text, count):
    assert asserted(of({"README.md": f"# Net\nTrained with CUDA.\n\n{text}"}).gpu_count) == count


def test_what_is_designed_to_run_on_a_gpu_needs_one():
    text = "# Chat\nIt is designed to run on a single GPU node.\n\n## Installing\nThere is a version for the CPU."
    assert of({"README.md": text}).gpu.value is GpuNeed.NEEDED


def test_an_assertion_where_a_device_was_chosen_does_not_insist():
    chosen = 'import torch\nif device_type == "cuda":\n    assert torch.cuda.is_available()\n'
    assert of({"run.py": chosen}).gpu.value is GpuNeed.OPTIONAL
    insists = "import torch\nif torch.cuda.is_available():\n    go()\nassert torch.cuda.is_available()\nnet.cuda()\n"
    found = of({"run.py": insists})
    assert found.gpu.value is GpuNeed.NEEDED
    assert found.gpu.evidence[0].line == 4


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"README.md": "# Chat\nThe simplest harness for training LLMs on a GPU.", "pyproject.toml": "[project]\n"},
         Kind.TRAINING),
        ({"README.md": "# Plasma\nTo clone.\n\n## Compiling\nThe compiler is the MPI wrapper.", "a/b.F90": "end\n"},
         Kind.HPC),
        ({"README.md": "# Film\nNeeds a GPU.\n```\npython3 ./demos/gradio_ui.py\n```", "pyproject.toml": "[project]\n"},
         Kind.INFERENCE),
    ],
)  # fmt: skip
def test_openings_and_first_commands_of_strangers(files, kind):
    assert kind_of(files) is kind


STEPS = """process {
    cpus   = { 1 * task.attempt }
    memory = { 6.GB * task.attempt }
    withLabel:process_high {
        cpus   = { 12    * task.attempt }
        memory = { 72.GB * task.attempt }
        time   = { 16.h  * task.attempt }
    }
    withLabel:process_high_memory {
        memory = { 200.GB * task.attempt }
    }
}
"""


def test_the_large_steps_of_a_workflow_say_what_a_machine_needs():
    found = of({"main.nf": "workflow {}\n", "conf/base.config": STEPS})
    assert asserted(found.memory_bytes) == 72 * GIB
    assert asserted(found.cpus) == 12
    assert [one.line for one in (*found.memory_bytes.evidence[:1], *found.cpus.evidence[:1])] == [6, 5]


def test_where_notebooks_are_developed_is_where_they_run():
    dev = {".devcontainer/devcontainer.json": '{"hostRequirements": {\n"storage": "64gb"\n}}\n'}
    assert asserted(of({**dev, "01.ipynb": "{}"}).disk_bytes) == 64 * GIB
    assert asserted(of({**dev, "main.py": "print(1)\n"}).disk_bytes) is None


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"README.md": "# Box\nBox is a lab's next generation library.\n```\npython demo.py\n```", "train.py": "",
          "requirements.txt": "torch\n"}, Kind.INFERENCE),
        ({"README.md": "# Box\nBox is a lab's next generation library.", "tools/train_net.py": "", "setup.py": ""},
         Kind.LIBRARY),
        ({"README.md": "# Sea\nSea is a package for fluid dynamics.", "Project.toml": '[deps]\nMPI = "1"\n'}, Kind.HPC),
        ({"README.md": "# Top\nA process viewer.", "pyproject.toml": "[project.scripts]\ntop = 'top:go'\n"},
         Kind.CLI),
    ],
)  # fmt: skip
def test_libraries_solvers_and_viewers_are_told_apart(files, kind):
    assert kind_of(files) is kind


def test_a_part_of_a_package_is_no_program_that_trains():
    needs = {"requirements.txt": "torch\n", "setup.py": ""}
    assert kind_of({**needs, "train.py": ""}) is Kind.TRAINING
    assert kind_of({**needs, "net/train.py": "", "inference_net.py": ""}) is Kind.INFERENCE
    assert kind_of({**needs, "net/trainer.py": "", "scripts/chat_datasets.py": ""}) is Kind.LIBRARY
    assert kind_of({"setup.py": "", "scripts/generate_tables.py": ""}) is Kind.LIBRARY


def test_servers_of_others_in_a_compose_file_publish_no_port_of_ours():
    text = 'services:\n  sqlserver:\n    image: mssql\n    ports:\n      - "1433:1433"\n'
    assert of({"docker-compose.yml": text}).port is None
