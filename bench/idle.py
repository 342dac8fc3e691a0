# SPDX-License-Identifier: Apache-2.0
"""Memory of an idle `homeport serve`: each of its own processes, no agents.

RSS counts shared pages fully in each process, PSS divides them among those that share them: the sum of PSS is what
the machine loses. Goals are held against RSS.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from scripts import processes

from bench.measure import Result, Row, arguments, cpu_seconds, homeport_version, progress, show
from bench.server import served

SERVER_MB, ALL_MB, CPU = 160, 230, 2.0


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MB (10^6 bytes)."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0])
    return fields["Rss"] * 1024 / 1e6, fields["Pss"] * 1024 / 1e6


def label(pid: int) -> str:
    words = processes.command(pid).split()
    modules = [word for word in words if word.startswith("homeport.")]
    if modules:
        return modules[0]
    files = [Path(word) for word in words if word.endswith(".py")]
    return f"{files[0].parent.name} {files[0].stem}" if files else " ".join(words[:2])


def main() -> int:
    args = arguments(__doc__)
    settle, watch = (3, 5) if args.quick else (15, 30)
    with served() as server:
        progress(f"idle for {settle + watch} s ...")
        time.sleep(settle)
        pids = [server.keeper, *processes.below(server.keeper)]
        before = {pid: cpu_seconds(pid) for pid in pids}
        time.sleep(watch)
        rows, total_rss, total_pss, server_rss = [], 0.0, 0.0, 0.0
        for pid in pids:
            rss, pss = memory(pid)
            total_rss, total_pss = total_rss + rss, total_pss + pss
            if "homeport.serve.server" in processes.command(pid):
                server_rss = rss
            rows.append(Row(f"{label(pid)}: RSS (PSS {pss:.0f})", rss, "MB"))
        cpu = sum(cpu_seconds(pid) - before[pid] for pid in pids) / watch * 100
    rows += [
        Row("server: RSS", server_rss, "MB", goal=f"at most {SERVER_MB}", met=0 < server_rss <= SERVER_MB),
        Row("all own processes: sum of RSS", total_rss, "MB", goal=f"at most {ALL_MB}", met=total_rss <= ALL_MB),
        Row("all own processes: sum of PSS", total_pss, "MB"),
        Row("all own processes: CPU while idle", cpu, "% of a core", goal=f"at most {CPU}", met=cpu <= CPU),
    ]
    return show(Result("idle", rows, {"homeport": homeport_version()}, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
