# SPDX-License-Identifier: Apache-2.0
"""The table of measurements, from docs/measurements/*.json, into README.md between its marks. `--check` compares."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.measure import KEPT, ROOT, number

BEGIN, END = "<!-- measurements: begin -->", "<!-- measurements: end -->"


def table(folder: Path = KEPT) -> str:
    """Markdown. Says so where nothing was measured yet."""
    results: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not results:
        return "Nothing has been measured yet.\n"
    lines = ["| `python -m bench.…` | measured | value | goal |", "|---|---|---:|---|"]
    for result in results:
        for row in result["rows"]:
            goal = f"{row['goal']}: {'met' if row['met'] else 'missed'}" if row["goal"] else ""
            lines.append(f"| `{result['name']}` | {row['what']} | {number(row['value'])} {row['unit']} | {goal} |")
    lines += ["", *sorted({footnote(result) for result in results})]
    return "\n".join(lines) + "\n"


def footnote(result: dict[str, Any]) -> str:
    where = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    load = f", load {where['load']} before it began" if "load" in where else ""
    return (
        f"- `{result['name']}`: {result['at']}, {where['cores']} cores of {where['cpu']}, {where['memory']}, "
        f"{where['system']}, Python {where['python']}{load}; {versions}"
    )


def put(readme: str, fresh: str) -> str:
    """`readme` with the table replaced. Raises ValueError where a mark is missing."""
    head, rest = readme.split(BEGIN)
    return head + BEGIN + "\n" + fresh + END + rest.split(END)[1]


def main() -> int:
    path = ROOT / "README.md"
    old = path.read_text()
    new = put(old, table())
    if "--check" in sys.argv:
        return int(old != new)
    path.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
