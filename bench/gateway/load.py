# SPDX-License-Identifier: Apache-2.0
"""wrk against one contestant, and what the contestant's processes spent meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gatehouse import TOKEN
from bench.measure import cpu_seconds, output, progress

SCRIPT = Path(__file__).with_name("load.lua")
_RUNS = itertools.count()


@dataclass(frozen=True)
class Run:
    """`rate` in requests a second, `cpu_us` of the contestant's own processes a request, `latency` in milliseconds by
    percentile."""

    rate: float
    requests: int
    cpu_us: float
    latency: dict[str, float]


@dataclass(frozen=True)
class Contestant:
    """`pids` are asked before and after each run: all that is spent in its name."""

    name: str
    port: int
    pids: Callable[[], Sequence[int]]
    called: str = "a"
    """What the names of its agents begin with."""


def load(
    to: Contestant, seconds: float, connections: int = 16, *, threads: int = 1, agents: int = 1, pause_ms: float = 0
) -> Run:
    """Raises SystemExit where any request failed: a proxy is not fast because it refuses."""
    before = sum(map(cpu_seconds, to.pids()))
    argv = [
        "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(SCRIPT),
        f"http://127.0.0.1:{to.port}", "--",
        str(agents), f"{os.getpid()}-{time.time_ns()}-{next(_RUNS)}", f"{pause_ms:.3f}", TOKEN, to.called,
    ]  # fmt: skip
    said = output(argv)
    spent = sum(map(cpu_seconds, to.pids())) - before
    found = json.loads("{" + said.rpartition("\n{")[2])
    if found["bad"] or not found["requests"]:
        raise SystemExit(f"{to.name}: {found['bad']} of {found['requests']} requests failed")
    return Run(
        found["requests"] / found["micros"] * 1e6,
        found["requests"],
        spent / found["requests"] * 1e6,
        {percent: micros / 1000 for percent, micros in found["latency"].items()},
    )


def in_rounds(runs: dict[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """All of them in each round, so that what else the machine does hits all alike; one round to warm up."""
    found: dict[str, list[Run]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            one = run()
            if turn:
                found[name].append(one)
        if turn:
            rates = ", ".join(f"{name} {made[-1].rate:.0f}/s {made[-1].cpu_us:.0f} us" for name, made in found.items())
            progress(f"  round {turn}: {rates}")
    return found


def ratio(found: dict[str, list[Run]], one: str, other: str) -> float:
    """The median over the rounds of the ratio within each."""
    return statistics.median(a.rate / b.rate for a, b in zip(found[one], found[other], strict=True))


def rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def needed() -> None:
    """Raises SystemExit naming what is missing of that without which there is nothing to compare."""
    missing = [name for name in ("wrk", "nginx") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"missing: {' '.join(missing)}\n\nhint: apt-get install {' '.join(missing)}")
