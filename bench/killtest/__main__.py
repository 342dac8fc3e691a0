# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.killtest --kills N [--json]`: kill processes in the middle of traffic, compare the two ledgers.

The kills, their order, their distances and the requests come from `--seed`; which instruction a kill hits is chance.
A run that found a defect keeps its ledgers and ends with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.killtest.home import Outcome, run
from bench.killtest.report import add, commit, earlier, plain, published
from bench.measure import MACHINE, homeport_version, progress

ROUND = 200
"""Kills of one home. A run of many is rounds of new homes, and `--add` keeps each."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many, in all homes together (200)")
    parser.add_argument("--homes", type=int, default=2, help="at the same time (2)")
    parser.add_argument("--workers", type=int, default=12, help="callers of each home (12)")
    parser.add_argument("--pause", type=float, default=0.12, help="mean seconds between two kills of a home (0.12)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--journal", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--add", type=Path, metavar="FILE", help="add each round to FILE, of this commit")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    args = parser.parse_args()
    if min(args.kills, args.homes, args.workers) < 1 or args.pause <= 0:
        parser.error("--kills, --homes, --workers and --pause must be more than nothing")
    return args


async def one_round(args: argparse.Namespace, folder: Path, first: int, kills: int) -> list[Outcome]:
    """`kills` shared among the homes, which run side by side. `first` numbers the homes over all rounds."""
    homes = min(args.homes, kills)
    shares = [kills // homes + (n < kills % homes) for n in range(homes)]
    return await asyncio.gather(
        *(
            run(
                folder / f"{first + n}", seed=f"{args.journal}-{args.seed}-{first + n}", kills=share,
                workers=args.workers, pause=args.pause, postgres=args.journal == "postgres",
            )
            for n, share in enumerate(shares)
        )
    )  # fmt: skip


def document(args: argparse.Namespace, outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    verdicts = [outcome.verdict for outcome in outcomes]
    by = sum((outcome.kills for outcome in outcomes), Counter())
    tunnels = sum((outcome.tunnels for outcome in outcomes), Counter())
    defects = [s for v in verdicts for s in (*v.lost, *v.duplicated, *v.cut_as_clean, *v.damaged)]
    defects += ["no request was answered in a home: it shows nothing" for v in verdicts if not v.answered]
    return {
        "kills": by.total(),
        "lost": sum(len(v.lost) for v in verdicts),
        "duplicated": sum(len(v.duplicated) for v in verdicts),
        "cut_as_clean": sum(len(v.cut_as_clean) for v in verdicts),
        "damaged": sum(len(v.damaged) for v in verdicts),
        "requests": sum(v.requests for v in verdicts),
        "executed": sum(v.executed for v in verdicts),
        "answered": sum(v.answered for v in verdicts),
        "promised": sum(v.promised for v in verdicts),
        "dead": sum(v.dead for v in verdicts),
        "cut": sum(outcome.cut for outcome in outcomes),
        "websockets": {what: tunnels[what] for what in ("whole", "cut", "refused")},
        "killed": {what: by[what] for what in ("gateway", "agent", "journal")},
        "seconds": round(seconds, 1),
        "commit": commit(),
        "journals": [args.journal],
        "seeds": [f"{args.journal} {args.seed}"],
        "defects": defects[:100],
        "versions": {"homeport": homeport_version()},
        "machine": dict(MACHINE),
    }


def main() -> int:
    args = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background too: what was started is ended
        signal.signal(number, signal.default_int_handler)
    before = earlier(args.add)
    whole: dict[str, Any] = {}
    done = homes = 0
    while done < args.kills:
        kills = min(ROUND * args.homes, args.kills - done)
        folder = Path(tempfile.mkdtemp(prefix="hp-killtest-"))
        began = time.monotonic()
        try:
            outcomes = asyncio.run(one_round(args, folder, homes, kills))
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        found = document(args, outcomes, time.monotonic() - began)
        whole = add(whole, found)
        done, homes = done + found["kills"], homes + len(outcomes)
        if args.add:
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
            args.add.write_text(json.dumps(published(add(before, whole), at), indent=2) + "\n")
        if found["defects"]:
            progress("\n".join([*found["defects"], f"the ledgers are in {folder}"]))
        else:
            shutil.rmtree(folder)
        progress(f"{done} of {args.kills} kills, {done / whole['seconds'] * 60:.0f} a minute")
    whole = add(before, whole)
    print(json.dumps(whole, indent=2) if args.json else plain(whole))
    return int(bool(whole["defects"]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
