# SPDX-License-Identifier: Apache-2.0
"""What the driver must be told, and the few names it gives."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LABEL = "homeport"
APP, DATA, OWN = "/app", "/data", "/run/homeport"
NETWORKS = ("auto", "sealed", "joined", "bridge")


@dataclass(frozen=True)
class Options:
    folder: Path
    """Of the driver's own: the record of its instances, and small files that containers are shown."""
    logs: Path
    """The folder with one folder of log files per agent: what forgotten instances said."""
    home: Path
    """The state folder whose agents these are: another one's containers on the same engine are never touched."""
    host: str = ""
    """unix:///path, tcp://host:port or ssh://user@host; "" looks where engines usually are."""
    network: str = "auto"
    """sealed, joined or bridge; auto takes the tightest that works."""
    base: str = ""
    """The image that agents without one of their own run in; "" shows them the programs of this machine."""


def home_id(options: Options) -> str:
    """12 hex digits that name this state folder on the engine: made once, and again for a copy of it elsewhere."""
    path = options.folder / "home"
    place = os.path.realpath(options.home)
    try:
        found, _, where = path.read_text().strip().partition(" ")
    except FileNotFoundError:
        found = where = ""
    if found and where == place:
        return found
    made = os.urandom(6).hex()
    options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(f"{made} {place}\n")
    written.replace(path)
    return made
