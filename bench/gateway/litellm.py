# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's proxy, in an environment of its own that the bench never makes: `INSTALL` says how.

It forwards by a pass-through endpoint, without a key to check and without a database: its shortest way. One worker,
as Homeport's gateway is one process; no price list from outside.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.gateway.load import Contestant, load
from bench.gateway.peers import child, free_port, listens, wait

VERSION = "1.106.2"
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "homeport-bench" / "litellm"
INSTALL = f"python3 -m venv FOLDER && FOLDER/bin/pip install 'litellm[proxy]=={VERSION}'"
START_S = 90.0


def absent(home: Path) -> str:
    """Why it cannot be run from there; "" where it can."""
    if not (home / "bin" / "litellm").exists():
        return f"not installed in {_shown(home)}: {INSTALL.replace('FOLDER', _shown(home))}"
    return ""


def version(home: Path) -> str:
    program = "from importlib.metadata import version; print(version('litellm'))"
    done = subprocess.run([str(home / "bin" / "python"), "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@contextmanager
def litellm(home: Path, folder: Path, agent_port: int) -> Iterator[Contestant]:
    """Raises SystemExit where it does not start or does not carry what the others carry."""
    port, config = free_port(), folder / "litellm.json"  # JSON is YAML
    through = {"path": "/agent", "target": f"http://127.0.0.1:{agent_port}", "include_subpath": True, "auth": False}
    config.write_text(json.dumps({"model_list": [], "general_settings": {"pass_through_endpoints": [through]}}))
    argv = [str(home / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    env = {"HOME": str(folder), "PATH": os.environ["PATH"], "LITELLM_LOG": "ERROR"}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}
    with child([*argv, "--num_workers", "1"], env=env) as pid:
        wait(lambda: listens(port), "LiteLLM", START_S)
        contestant = Contestant("litellm", port, lambda: (pid,))
        load(contestant, 3)
        yield contestant


def _shown(home: Path) -> str:
    """Without the name of whoever runs it: the document is kept."""
    return str(home).replace(str(Path.home()), "~", 1)
