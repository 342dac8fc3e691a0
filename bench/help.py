# SPDX-License-Identifier: Apache-2.0
"""How soon `homeport --help` is there, against `linode-cli --help` in the same run."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from bench.measure import (
    HOMEPORT,
    OUT,
    Result,
    Row,
    arguments,
    homeport_version,
    in_turns,
    output,
    progress,
    show,
    timed,
)

GOAL = 1 / 3


def peer() -> Path:
    """linode-cli in an environment of its own, installed at first use."""
    folder = OUT / "linode-cli"
    program = folder / "bin" / "linode-cli"
    if not program.exists():
        progress("installing linode-cli into bench/out/linode-cli ...")
        venv.create(folder, with_pip=True)
        output([str(folder / "bin" / "python"), "-m", "pip", "-q", "install", "linode-cli"])
    return program


def main() -> int:
    args = arguments(__doc__)
    program = peer()
    home = OUT / "home"
    home.mkdir(parents=True, exist_ok=True)
    # linode-cli asks for a token before it shows its help; any word will do.
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LINODE_CLI_TOKEN": "none"}

    def run(argv: list[str]) -> float:
        return timed(lambda: subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True))

    found = in_turns(
        {
            "homeport": lambda: run([str(HOMEPORT), "--help"]),
            "linode-cli": lambda: run([str(program), "--help"]),
            "python": lambda: run([sys.executable, "-c", "pass"]),
        },
        runs=5 if args.quick else 21,
    )
    ratio = found["homeport"] / found["linode-cli"]
    version = output([str(program), "--version"], env).split()[1].lstrip("v")
    rows = [
        Row("homeport --help", found["homeport"] * 1000, "ms"),
        Row("linode-cli --help", found["linode-cli"] * 1000, "ms"),
        Row("python -c pass (what no Python program can beat)", found["python"] * 1000, "ms"),
        Row("homeport / linode-cli", ratio, "times", goal="at most 0.333", met=ratio <= GOAL),
    ]
    versions = {"homeport": homeport_version(), "linode-cli": version}
    return show(Result("help", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
