# SPDX-License-Identifier: Apache-2.0
"""Stop what a state folder's server runs, then remove the folder. `python scripts/clean.py [FOLDER]`

Ends with 1, naming what is left, if a process or a control group outlives it: nothing is swept under the carpet.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import processes

CHECKOUT = Path(__file__).resolve().parent.parent
HOMEPORT = CHECKOUT / ".venv" / "bin" / "homeport"
PATIENCE = 40.0


def clean(home: Path) -> list[str]:
    """What is left over, in words; an empty list when all is gone. Safe to repeat."""
    keeper = processes.keeper_of(home)
    if not keeper and (home / "state" / "agents").is_dir() and HOMEPORT.exists():
        keeper = _sweep(home)
    if keeper and (home / "state" / "docker").is_dir():
        _homeport(home, "remove", "--all", "--yes")  # containers outlive the server
    watched = {keeper, *processes.own(home), *processes.below(keeper)} - {0} if keeper else set(processes.own(home))
    groups = processes.groups(keeper) if keeper else set()
    if keeper:
        os.kill(keeper, signal.SIGTERM)
    else:
        for pid in watched:
            os.kill(pid, signal.SIGTERM)
    _wait(home, watched)
    left = [f"process {pid}: {processes.command(pid)}" for pid in sorted(watched) if _alive(pid)]
    left += [f"control group {group}" for group in sorted(groups) if group.is_dir()]
    if not left and home.is_dir():
        shutil.rmtree(home)
    return left


def _sweep(home: Path) -> int:
    """The keeper was killed: the next one ends what it left running, so start it for that. Returns its pid."""
    _homeport(home, "serve", "--detach")
    return processes.keeper_of(home)


def _homeport(home: Path, *words: str) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("HOMEPORT_")}
    env |= {
        "HOMEPORT_HOME": str(home),
        "HOMEPORT_API_LISTEN": "127.0.0.1:0",
        "HOMEPORT_GATEWAY_LISTEN": "127.0.0.1:0",
    }
    argv = [str(HOMEPORT), *words]
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{' '.join(words)}: {done.stderr.strip()}", file=sys.stderr)


def _wait(home: Path, watched: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and (any(_alive(pid) for pid in watched) or processes.own(home)):
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return processes.PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(argv: list[str]) -> int:
    home = Path(argv[0] if argv else CHECKOUT / ".demo").resolve()
    if argv and not (home / "state").is_dir():
        print(f"{home} is not a state folder of Homeport", file=sys.stderr)
        return 2
    left = clean(home)
    for line in left:
        print(f"still there: {line}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
