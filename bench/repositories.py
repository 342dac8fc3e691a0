# SPDX-License-Identifier: Apache-2.0
"""Repositories made on the fly, the same ones every time: a machine-learning project of as many files as one likes.

The kinds of files stand to one another roughly as in public projects of a thousand files; their text is made up."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

_WORDS = (
    "the model data set batch layer weights output runs on a server with queue worker client request cache index file "
    "loads writes reads result vector graph node edge step epoch loss metric trainer config option path default value "
    "device memory host port thread process user task"
).split()
_KINDS: tuple[tuple[float, str], ...] = (
    (0.50, "py"), (0.10, "md"), (0.08, "cpp"), (0.03, "cu"), (0.06, "json"), (0.05, "yaml"), (0.03, "ipynb"),
    (0.03, "sh"), (0.02, "rst"), (0.02, "toml"), (0.08, "txt"),
)  # fmt: skip
_FOLDERS = ("core", "train", "serve", "data", "ops", "docs", "examples", "tests", "scripts", "configs")
_ROOT = {
    "README.md": "# Sample\n\nServes a language model.\n\n## Requirements\n\n"
    "- Linux with an NVIDIA GPU with at least 24 GB of memory, CUDA 12.1 or later\n- 64 GB of RAM, 200 GB of disk\n\n"
    "## Usage\n\n```\npip install -r requirements.txt\npython -m sample.serve --port 8000\n```\n\n",
    "requirements.txt": "torch==2.3.1\nfastapi\nuvicorn\ntransformers>=4.40\nflash-attn\n",
    "pyproject.toml": '[project]\nname = "sample"\nversion = "1.0"\nrequires-python = ">=3.10"\n'
    'dependencies = ["torch", "fastapi"]\n[project.optional-dependencies]\ngpu = ["bitsandbytes"]\n',
    "Dockerfile": "FROM nvidia/cuda:12.1.1-runtime-ubuntu22.04\nRUN apt-get update && apt-get install -y git\n"
    'COPY . /app\nEXPOSE 8000\nCMD ["python3", "-m", "sample.serve"]\n',
    "docker-compose.yml": 'services:\n  web:\n    build: .\n    ports: ["8000:8000"]\n    shm_size: 8gb\n',
    "environment.yml": "dependencies:\n  - python=3.10\n  - pytorch-cuda=12.1\n",
    "setup.py": "from setuptools import setup\nsetup(name='sample', install_requires=['torch'])\n",
    "train.slurm": "#!/bin/bash\n#SBATCH --gres=gpu:4\n#SBATCH --mem=128G\n#SBATCH --time=12:00:00\nsrun python t.py\n",
    "Makefile": "build:\n\tpython -m build\n",
}


def make(folder: Path, files: int, seed: int = 4) -> Path:
    """A bare repository of one commit in `folder`, which must not exist. Files have 5 to 10 KB, tiny ones in a
    repository of more than 10,000."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--template=", str(folder)], check=True)
    importing = subprocess.Popen(
        ["git", f"--git-dir={folder}", "fast-import", "--quiet"], stdin=subprocess.PIPE, cwd=folder
    )
    assert importing.stdin is not None
    with importing.stdin as stream:
        stream.write(b"commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000000 +0000\ndata 1\nx\n")
        for path, text in contents(files, seed):
            data = text.encode()
            stream.write(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    if importing.wait():
        raise SystemExit(f"git fast-import ended with {importing.returncode}")
    subprocess.run(["git", f"--git-dir={folder}", "symbolic-ref", "HEAD", "refs/heads/main"], check=True)
    return folder


def contents(files: int, seed: int = 4) -> Iterator[tuple[str, str]]:
    """Paths and texts, the root's first."""
    chance = random.Random(seed)
    for path, text in _ROOT.items():
        yield path, text + (_prose(chance, 250) if path == "README.md" else "")
    weights, kinds = zip(*_KINDS, strict=True)
    lines = 6 if files > 10_000 else 160
    for number in range(files - len(_ROOT)):
        kind = chance.choices(kinds, weights)[0]
        folder = "/".join((chance.choice(_FOLDERS), f"part{number % 97}")[: chance.choice((1, 2, 2))])
        yield f"{folder}/{chance.choice(_WORDS)}_{number}.{kind}", _WRITERS[kind](chance, chance.randint(1, lines))


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randint(6, 16))).capitalize() + "."


def _prose(chance: random.Random, lines: int) -> str:
    return "".join(
        f"\n## {_sentence(chance)}\n\n" if chance.random() < 0.08 else _sentence(chance) + "\n" for _ in range(lines)
    )


def _python(chance: random.Random, lines: int) -> str:
    body = (f"    {chance.choice(_WORDS)} = {chance.choice(_WORDS)}.{chance.choice(_WORDS)}({chance.random():.3f})\n"
            if chance.random() > 0.1 else f"\n\ndef {chance.choice(_WORDS)}_{line}(self):\n    # {_sentence(chance)}\n"
            for line in range(lines))  # fmt: skip
    return "import os\nimport torch\n\n\ndef main():\n" + "".join(body) + "    return 0\n"


def _braces(chance: random.Random, lines: int) -> str:
    body = (f"  float {chance.choice(_WORDS)}_{line} = {chance.random():.4f}f * n;\n" for line in range(lines))
    return "#include <vector>\n\nvoid run(int n) {\n" + "".join(body) + "}\n"


def _settings(chance: random.Random, lines: int) -> str:
    return "".join(f"{chance.choice(_WORDS)}_{line}: {chance.random():.4f}\n" for line in range(lines))


def _notebook(chance: random.Random, lines: int) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": [_sentence(chance)]} for _ in range(lines)]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)


_WRITERS: dict[str, Callable[[random.Random, int], str]] = {
    "py": _python, "md": _prose, "rst": _prose, "txt": _prose, "cpp": _braces, "cu": _braces, "yaml": _settings,
    "ipynb": _notebook,
    "json": lambda chance, lines: json.dumps({f"{chance.choice(_WORDS)}{line}": line for line in range(lines)}),
    "sh": lambda chance, lines: "#!/bin/sh\n" + "".join(f"echo {_sentence(chance)}\n" for _ in range(lines)),
    "toml": lambda chance, lines: "[x]\n" + "".join(f"a{line} = {chance.random():.4f}\n" for line in range(lines)),
}  # fmt: skip
