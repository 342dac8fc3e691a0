# SPDX-License-Identifier: Apache-2.0
"""What the keeper must still know when it was killed: its instances, their exits, the sequence of events."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Record = dict[str, Any]
_SHOWN = ("instance", "agent_id", "state", "endpoint", "pid", "started_at_us", "exit")


class State:
    """`instances` by id, in order of start. A record also says what must be swept if nobody ends it in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq = 0
        self.instances: dict[str, Record] = {}
        self.unsaved = False

    def load(self) -> str:
        """Returns a warning when the file could not be read: it is then set aside, and numbers jump ahead."""
        try:
            data = json.loads(self.path.read_bytes())
            self.seq, self.instances = int(data["seq"]), dict(data["instances"])
        except FileNotFoundError:
            return ""
        except (ValueError, KeyError, TypeError) as error:
            aside = self.path.with_suffix(".unreadable")
            self.path.replace(aside)
            # Higher than any number given out so far, so that nobody who resumes misses what comes now.
            self.seq, self.instances = time.time_ns() // 1000, {}
            return f"{self.path} could not be read ({error}); it was set aside as {aside.name}"
        return ""

    def save(self) -> None:
        """Whole or not at all. Raises OSError (a full disk) with the old file untouched and `unsaved` still true.

        Not synced: after a power cut no instance is left, and the order of a rename keeps the file whole.
        """
        self.unsaved = True
        aside = self.path.with_suffix(".new")
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(json.dumps({"v": 1, "seq": self.seq, "instances": self.instances}).encode())
            aside.replace(self.path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        self.unsaved = False

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def events(self, after: int) -> list[dict[str, Any]]:
        """State changes of instances not yet forgotten, in order."""
        found = [event for record in self.instances.values() for event in events_of(record)]
        return sorted((event for event in found if event["seq"] > after), key=lambda event: event["seq"])


def shown(record: Record) -> dict[str, Any]:
    """As `model.instance.InstanceStatus`."""
    return {field: record[field] for field in _SHOWN}


def events_of(record: Record) -> list[dict[str, Any]]:
    """One or two events, as `model.instance.InstanceEvent`."""
    found = []
    if record["seq_started"]:
        running = shown(record) | {"state": "running", "exit": None, "endpoint": record["address"]}
        found.append({"seq": record["seq_started"], "status": running})
    if record["seq_exited"]:
        found.append({"seq": record["seq_exited"], "status": shown(record)})
    return found
