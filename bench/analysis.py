# SPDX-License-Identifier: Apache-2.0
"""What `homeport analyze` of a local repository costs, against a full clone of it and `grep -r` for three words.

CPU is that of the command and of all that it starts, the interpreter's start and the imports included; memory is the
resident peak of the largest of these processes. The clone goes by Git's own protocol (`--no-local`), as one of a
remote repository does, but from this disk. Repositories are made on the fly; bare ones of your own may be named.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import repositories
from bench.measure import HOMEPORT, Result, Row, arguments, homeport_version, output, progress, show

CPU_GOAL, MEMORY_GOAL = 0.3, 150.0
_SMALL = 1_100
"""Files up to which the goal for CPU holds."""
_GREP = ("grep", "-rIicE", "GPU|CUDA|VRAM")


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock and of CPU, MiB at the peak."""

    wall: float
    cpu: float
    memory: float


def spent(argv: Sequence[str], env: dict[str, str], statuses: tuple[int, ...] = (0,)) -> Cost:
    """What one command costs, with all that it waits for."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    with process.stderr as stream:
        told = stream.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in statuses:
        raise SystemExit(f"{' '.join(argv)} ended with {process.returncode}:\n{told.decode(errors='replace').strip()}")
    return Cost(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def cloned_and_searched(repository: Path, folder: Path, env: dict[str, str]) -> Cost:
    """Raises `SystemExit` for a repository that lacks what a clone takes, its history for example."""
    target = folder / "clone"
    clone = spent(["git", "clone", "--quiet", "--no-local", "--template=", str(repository), str(target)], env)
    search = spent([*_GREP, str(target)], env, (0, 1))
    shutil.rmtree(target)
    return Cost(clone.wall + search.wall, clone.cpu + search.cpu, max(clone.memory, search.memory))


def compare(name: str, repository: Path, folder: Path, runs: int, env: dict[str, str]) -> list[Row]:
    """One repository, in turns, medians; the first turn only warms the caches."""
    count = output(["git", f"--git-dir={repository}", "ls-tree", "-r", "--name-only", "HEAD"], env).count("\n")
    ours, theirs = list[Cost](), list[Cost]()
    whole = True
    for _ in range(runs + 1):
        ours.append(spent([str(HOMEPORT), "--json", "analyze", str(repository)], env))
        try:
            theirs += [cloned_and_searched(repository, folder, env)] if whole else []
        except SystemExit as error:
            progress(f"{name} cannot be cloned, so nothing is compared: {str(error).splitlines()[1].strip()}")
            whole = False
    cpu, wall = (statistics.median(getattr(one, key) for one in ours[1:]) for key in ("cpu", "wall"))
    memory = max(one.memory for one in ours)
    small = count <= _SMALL
    rows = [
        Row(f"{name}: CPU", cpu, "s", goal=f"under {CPU_GOAL}" if small else "", met=not small or cpu < CPU_GOAL),
        Row(f"{name}: wall clock", wall, "s"),
        Row(f"{name}: memory", memory, "MiB", goal=f"under {MEMORY_GOAL:.0f}", met=memory < MEMORY_GOAL),
    ]
    if whole:
        other = statistics.median(one.wall for one in theirs[1:])
        rows.append(Row(f"{name}: clone and grep -r", other, "s"))
        rows.append(
            Row(f"{name}: analyze / clone and grep", wall / other, "times", goal="at most 1", met=wall <= other)
        )
    return rows


def _called(repository: Path) -> str:
    return repository.parent.name if repository.name in ("repo", ".git") else repository.name.removesuffix(".git")


def main() -> int:
    args = arguments(__doc__, more="bare repositories of this machine, complete ones")
    runs = 3 if args.quick else 9
    few = 1 if args.quick else 3  # a clone of 100,000 files takes its time
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="homeport-bench-") as made:
        folder = Path(made)
        env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
        cases = {}
        for files in (1_000, 100_000):
            progress(f"making a repository of {files:,} files ...")
            cases[f"{files:,} files"] = repositories.make(folder / f"{files}.git", files)
        cases |= {_called(Path(one).resolve()): Path(one).resolve() for one in args.more}
        for name, repository in cases.items():
            progress(f"analysing {name}, in turns with clone and grep ...")
            rows += compare(name, repository, folder, few if name.startswith("100,000") else runs, env)
    versions = {"homeport": homeport_version(), "git": output(["git", "--version"]).split()[2]}
    return show(Result("analysis", rows, versions, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
