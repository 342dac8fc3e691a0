# SPDX-License-Identifier: Apache-2.0
"""Repositories to plan for, as people write them: training that needs a GPU, a small service."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fetching import commit

TRAINING = {
    "README.md": "# Trainer\n\nRequires an NVIDIA GPU with at least 16 GB of VRAM and CUDA 12.1.\n",
    "requirements.txt": "torch==2.3.0\ntransformers\naccelerate\n",
    "train.py": "import torch\n\nif __name__ == '__main__':\n    torch.ones(1).cuda()\n",
}
SERVICE = {
    "app.py": "import os\nprint(os.environ['PORT'])\n",
    "homeport.yaml": "start: python app.py\nport: 8000\nhealth: /health\nmemory: 128Mi\n",
}


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A Git repository of these files, in one more commit."""
    commit(folder, {name: text.encode() for name, text in files.items()})
    return folder
