# SPDX-License-Identifier: Apache-2.0
"""Writes a fact table of src/homeport/plan/facts from a list of machine types:

    python scripts/facts.py chameleon TYPES.json --as-of 2026-06-26 --origin "where it is from"
    python scripts/facts.py linode TYPES.json --as-of 2026-09-17 --origin "where it is from"

TYPES.json is a list of objects: for Chameleon one of each site and node type (site, node_type, nodes, arch,
threads_min, ram_gb_min, disk_gb_min, gpu: every [vendor, model, count, GiB] that its nodes have), for Linode one of
each plan (id, label, cls, vcpus, ram_gb, disk_gb, gpus, hourly, monthly).
"""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

FACTS = Path(__file__).resolve().parent.parent / "src" / "homeport" / "plan" / "facts"


def chameleon(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "site": row["site"],
        "type": row["node_type"],
        "nodes": row["nodes"],
        "arch": row["arch"],
        "threads": row["threads_min"],
        "ram_gib": row["ram_gb_min"],
        "disk_gb": row["disk_gb_min"],
        "gpus": row["gpu"],
    }


def linode(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": row["id"],
        "label": row["label"],
        "class": row["cls"],
        "cpus": row["vcpus"],
        "ram_gib": row["ram_gb"],
        "disk_gib": row["disk_gb"],
        "gpus": row["gpus"],
        "gpu": row["label"] if row["gpus"] else "",
        "hourly": plain(row["hourly"]),
        "monthly": plain(row["monthly"]),
    }


def plain(price: float) -> str:
    return f"{Decimal(str(price)).normalize():f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cloud", choices=["chameleon", "linode"])
    parser.add_argument("types", type=Path)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--origin", required=True)
    given = parser.parse_args()
    read = {"chameleon": chameleon, "linode": linode}[given.cloud]
    rows = [read(row) for row in json.loads(given.types.read_text())]
    said = {"as_of": given.as_of, "origin": given.origin}
    head = "".join(f'  "{key}": {json.dumps(value)},\n' for key, value in said.items())
    body = ",\n".join("    " + json.dumps(row) for row in rows)
    (FACTS / f"{given.cloud}.json").write_text(f'{{\n{head}  "rows": [\n{body}\n  ]\n}}\n')
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    main()
