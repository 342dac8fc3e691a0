# SPDX-License-Identifier: Apache-2.0
"""Keeps away from machines that failed you, for a day.

A launch that began and never became ready is held against the target, site and machine type that it was on: the next
plan takes the best machine of another one. A launch that works wipes the slate.

KEEP_AWAY_HOURS says for how long (24). What it remembers is in one JSON file, `$XDG_STATE_HOME/homeport-keep-away.json`
or `~/.local/state/homeport-keep-away.json`; delete it to forget. Nothing but the standard library is needed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOURS = 24.0


class KeepAway:
    def select(self, requirements: Any, fitting: Sequence[Any]) -> Any:
        """The best of those that did not fail. None, the ranking's choice, if that did not fail, or if all did."""
        del requirements
        failed = {place for place, began in read().items() if time.time() - began < hours() * 3600}
        good = [offer for offer in fitting if place_of(offer.cloud, offer.region, offer.machine_type) not in failed]
        if not good or good[0] == fitting[0]:
            return None
        print(f"keep-away: not {fitting[0].machine_type} of {fitting[0].cloud}: the last launch there failed")
        return good[0]

    def before_launch(self, facts: dict[str, Any]) -> None:
        """It counts as failed until it is ready: a launch that is killed says nothing."""
        with remembered() as launches:
            launches[place_of(facts["target"], facts["site"], facts["node_type"])] = time.time()

    def on_ready(self, facts: dict[str, Any]) -> None:
        with remembered() as launches:
            launches.pop(place_of(facts["target"], facts["site"], facts["node_type"]), None)


def place_of(target: str, site: str, machine_type: str) -> str:
    return " ".join((target, site, machine_type))


def hours() -> float:
    return float(os.environ.get("KEEP_AWAY_HOURS", HOURS))


def memory() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state", "homeport-keep-away.json")


def read() -> dict[str, float]:
    """When a launch began that did not become ready, by place. What cannot be read is forgotten, and says so."""
    try:
        return {str(place): float(began) for place, began in json.loads(memory().read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        print(f"keep-away: {memory()} is forgotten: {error}", file=sys.stderr)
        return {}


@contextmanager
def remembered() -> Iterator[dict[str, float]]:
    """What is changed in the block is written, whole or not at all."""
    launches = read()
    yield launches
    path = memory()
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(f".{os.getpid()}")
    written.write_text(json.dumps(launches, indent=1))
    written.replace(path)
