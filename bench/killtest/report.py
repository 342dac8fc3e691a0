# SPDX-License-Identifier: Apache-2.0
"""Runs added up, and shown. Only runs on one commit are one proof."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measure import ROOT, Row

NONE = ("lost", "duplicated", "cut_as_clean", "damaged")
ADDED = ("name", "rows", "at", "quick")
"""Of a published document, made anew from the rest."""
CODE = ("src", "bench/killtest", "bench/gatehouse.py")


def commit() -> str:
    """Of this checkout; with "+changes" where the code is not what was committed, "unknown" without Git."""
    head = _git("rev-parse", "HEAD").strip()
    if head == "unknown":
        return head
    return head + ("+changes" if _git("status", "--porcelain", "--", *CODE).strip() else "")


def earlier(file: Path | None) -> dict[str, Any]:
    """What `file` has; {} where there is none. Raises SystemExit where it is of another commit."""
    if file is None or not file.exists():
        if file is not None and not file.parent.is_dir():
            raise SystemExit(f"there is no folder {file.parent} to keep {file.name} in")
        return {}
    try:
        found: dict[str, Any] = dict(json.loads(file.read_text()))
        of = found["commit"]
    except (ValueError, TypeError, KeyError) as error:
        raise SystemExit(f"{file} is no result of the killtest: {error!r}") from None
    if of != (now := commit()):
        raise SystemExit(f"{file} is of commit {of}, this is {now}: runs of two commits are no one proof")
    return {name: value for name, value in found.items() if name not in ADDED}


def published(whole: dict[str, Any], at: str) -> dict[str, Any]:
    """With the rows of the README's table; `at` as RFC 3339."""
    rows = [Row("kills (SIGKILL) in mixed traffic", whole["kills"], "", "at least 10000", whole["kills"] >= 10_000)]
    rows += [
        Row(f"{what} of {whole['requests']:,} requests", whole[what], "", "none", whole[what] == 0) for what in NONE
    ]
    return {**whole, "name": "killtest", "rows": [asdict(row) for row in rows], "at": at, "quick": False}


def add(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Numbers summed, lists joined without repeats; the rest from `other`."""
    if not one:
        return other
    whole = dict(other)
    for name, value in other.items():
        if isinstance(value, bool | str) or name in ("versions", "machine"):
            continue
        if isinstance(value, int | float):
            whole[name] = round(one[name] + value, 1) if isinstance(value, float) else one[name] + value
        elif isinstance(value, list):
            whole[name] = list(dict.fromkeys([*one[name], *value]))
        else:
            whole[name] = {key: one[name].get(key, 0) + number for key, number in value.items()}
    return whole


def plain(whole: dict[str, Any]) -> str:
    killed = ", ".join(f"{number} {what}" for what, number in whole["killed"].items() if number)
    lines = [
        f"{whole['kills']} kills ({killed}) in {whole['seconds']:.0f} s, commit {whole['commit']}, "
        f"journal {' and '.join(whole['journals'])}",
        f"  {whole['requests']} requests, {whole['executed']} executions; callers got {whole['answered']} answers, "
        f"{whole['promised']} promises ({whole['dead']} ended as dead letters), {whole['cut']} cut connections",
        "  WebSockets: " + ", ".join(f"{number} {what}" for what, number in whole["websockets"].items()),
        f"  lost {whole['lost']}, duplicated {whole['duplicated']}, cut shown as clean {whole['cut_as_clean']}, "
        f"damaged {whole['damaged']}",
    ]
    return "\n".join([*lines, *(f"  {defect}" for defect in whole["defects"])])


def _git(*words: str) -> str:
    argv = ["git", "-C", str(ROOT), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else "unknown"
