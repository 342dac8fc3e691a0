# SPDX-License-Identifier: Apache-2.0
"""What may be chosen about fetching with Git."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    cache: Path
    """Fetched mirrors are kept below it, a folder per address, one per commit. May be deleted at any time."""
    max_bytes: int = 512_000_000
    """On disk while fetching, and written by an export; more is refused."""
    max_files: int = 100_000
    max_seconds: float = 120.0
    """For one fetch or export as a whole."""
    allow_local: bool = True
    """Whether repositories on this machine may be read; a server that others can call says no."""
    schemes: tuple[str, ...] = ("https",)
    """Transports that may be used. Tests admit http on loopback; nobody else should."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that Git gets besides ours: proxies, a CA file. Nothing is inherited."""
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
    """Where git is looked for."""
