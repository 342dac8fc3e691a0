# SPDX-License-Identifier: Apache-2.0
"""What every benchmark needs: arguments, the machine, runs in turns, one form of result."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "bench" / "out"
KEPT = ROOT / "docs" / "measurements"
HOMEPORT = Path(sys.executable).parent / "homeport"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One measured value. `goal` "" means that none was set; `met` then says nothing."""

    what: str
    value: float
    unit: str
    goal: str = ""
    met: bool = True


@dataclass
class Result:
    name: str
    rows: list[Row]
    versions: dict[str, str]
    machine: dict[str, str] = field(default_factory=lambda: dict(MACHINE))
    quick: bool = False
    at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"))
    figures: Mapping[str, object] = field(default_factory=dict)
    """Values by a name of their own, at the top of the JSON document: for whoever reads one of them."""


def cpu_seconds(pid: int) -> float:
    """User and system, all threads, since the process began."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def machine() -> dict[str, str]:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    release = platform.freedesktop_os_release() if hasattr(platform, "freedesktop_os_release") else {}
    return {
        "cpu": cpu.partition(":")[2].strip() or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kib / 1024**2:.0f} GiB",
        "system": f"{release.get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


MACHINE = machine()
"""As it was when the benchmark began; `load` is the average of the minute before, from whatever else was running."""


def arguments(module_doc: str, *, more: str = "", options: Mapping[str, str] | None = None) -> argparse.Namespace:
    """What the command line says. `more`: what further words name, kept in `.more`; "" where there are none.
    `options`: those that take a value, "" where it is not given, and what they say of themselves."""
    parser = argparse.ArgumentParser(description=module_doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--save", action="store_true", help="write the result to docs/measurements/")
    for option, said in (options or {}).items():
        parser.add_argument(option, default="", help=said)
    if more:
        parser.add_argument("more", nargs="*", help=more)
    return parser.parse_args()


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall clock."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_turns(contestants: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """The median of each, run in turns so that what else the machine does hits all alike. One warm-up each."""
    values: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(runs + 1):
        for name, run in contestants.items():
            value = run()
            if turn:
                values[name].append(value)
    return {name: statistics.median(found) for name, found in values.items()}


def output(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """stdout of a command that must succeed."""
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout


def homeport_version() -> str:
    return output([str(HOMEPORT), "version"]).split()[-1]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(result: Result, args: argparse.Namespace) -> int:
    """Print it, keep it; 1 when a goal is missed, so that a script notices."""
    fields = asdict(result)
    document = json.dumps(fields.pop("figures") | fields, indent=2) + "\n"
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{result.name}.json").write_text(document)
    if args.save:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{result.name}.json").write_text(document)
    print(document if args.json else text(result), end="")
    return 0 if all(row.met for row in result.rows) else 1


def number(value: float) -> str:
    """Three digits of it, or all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def text(result: Result) -> str:
    where = result.machine
    lines = [
        f"{result.name}{' (quick)' if result.quick else ''}, {result.at}",
        f"  {where['cores']} cores of {where['cpu']}, {where['memory']}, load {where['load']}",
        f"  {where['system']}, Python {where['python']}",
        "  " + ", ".join(f"{name} {version}" for name, version in result.versions.items()),
    ]
    width = max(len(row.what) for row in result.rows)
    for row in result.rows:
        goal = f"   goal {row.goal}: {'met' if row.met else 'MISSED'}" if row.goal else ""
        lines.append(f"  {row.what:<{width}}  {number(row.value):>9} {row.unit}{goal}")
    return "\n".join(lines) + "\n"
