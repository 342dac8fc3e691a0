# SPDX-License-Identifier: Apache-2.0
"""`make demo` from a bare checkout: with empty package caches, with warm ones, and the story alone.

Makes a clone of this checkout's last commit below bench/out and removes it again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from bench.measure import OUT, ROOT, Result, Row, arguments, homeport_version, output, progress, show, timed

COLD_S, WARM_S, STORY_S = 120, 45, 20


def demo(cached: str) -> tuple[float, float]:
    """Seconds of `make demo` in a fresh clone, and of the story in it."""
    checkout = OUT / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    output(["git", "clone", "--quiet", str(ROOT), str(checkout)])
    caches = {"PIP_CACHE_DIR": str(OUT / "cache" / "pip"), "UV_CACHE_DIR": str(OUT / "cache" / "uv")}
    env = {k: v for k, v in os.environ.items() if not k.startswith(("HOMEPORT_", "VIRTUAL_ENV", "MAKE"))} | caches
    said = []

    def run() -> None:
        done = subprocess.run(
            ["make", "demo"],
            cwd=checkout,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said.append(done.stdout)
        if done.returncode:
            raise SystemExit(f"make demo ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")

    try:
        progress(f"make demo, {cached} caches ...")
        took = timed(run)
    finally:
        subprocess.run(["make", "clean"], cwd=checkout, env=env, capture_output=True, check=False)
        shutil.rmtree(checkout, ignore_errors=True)
    story = re.search(r"The story took ([0-9.]+) s", said[0])
    if story is None:
        raise SystemExit("the demo did not say how long its story took")
    return took, float(story[1])


def main() -> int:
    args = arguments(__doc__)
    rows = []
    if not args.quick:
        shutil.rmtree(OUT / "cache", ignore_errors=True)
        cold, _ = demo("empty")
        rows.append(Row("make demo, empty caches", cold, "s", goal=f"at most {COLD_S}", met=cold <= COLD_S))
    elif not (OUT / "cache").is_dir():
        demo("empty")
    found = [demo("warm") for _ in range(1 if args.quick else 3)]
    warm = sorted(took for took, _ in found)[len(found) // 2]
    story = sorted(story for _, story in found)[len(found) // 2]
    rows.append(Row("make demo, warm caches", warm, "s", goal=f"at most {WARM_S}", met=warm <= WARM_S))
    rows.append(Row("the story alone", story, "s", goal=f"at most {STORY_S}", met=story <= STORY_S))
    return show(Result("demo", rows, {"homeport": homeport_version()}, quick=args.quick), args)


if __name__ == "__main__":
    sys.exit(main())
