# SPDX-License-Identifier: Apache-2.0
"""Where an installation lies: for root /opt/homeport and /usr/local/bin, for anybody else below ~/.local."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMANDS = ("homeport", "agentainer", "envboot")
RECEIPT = "installed.json"


class Refused(Exception):
    """What was asked is not done. The message says why and what to do instead."""


@dataclass(frozen=True)
class Layout:
    """Final places. `staged` says where they are written now: below DESTDIR, where a packager collects them."""

    prefix: Path
    bindir: Path
    unitdir: Path
    destdir: str
    root: bool

    def staged(self, path: Path) -> Path:
        return Path(f"{self.destdir}{path}") if self.destdir else path

    @property
    def venv(self) -> Path:
        return self.prefix / "venv"

    @property
    def program(self) -> Path:
        return self.venv / "bin" / "homeport"

    @property
    def unit(self) -> Path:
        return self.unitdir / "homeport.service"

    @property
    def receipt(self) -> Path:
        return self.prefix / RECEIPT

    def installed(self) -> dict[str, Any]:
        """What the receipt of an earlier installation says; {} where there is none."""
        try:
            found: dict[str, Any] = json.loads(self.staged(self.receipt).read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Refused(f"{self.staged(self.receipt)} cannot be read: {error}") from None
        return found


def from_environment(env: Mapping[str, str]) -> Layout:
    """PREFIX, BINDIR, UNITDIR and DESTDIR, each optional. Raises `Refused` for one that cannot be meant."""
    root = os.geteuid() == 0
    home = Path(env.get("HOME") or Path.home())
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    layout = Layout(
        prefix=_place(env, "PREFIX", Path("/opt/homeport") if root else home / ".local" / "lib" / "homeport"),
        bindir=_place(env, "BINDIR", Path("/usr/local/bin") if root else home / ".local" / "bin"),
        unitdir=_place(env, "UNITDIR", Path("/etc/systemd/system") if root else config / "systemd" / "user"),
        destdir=str(_place(env, "DESTDIR", Path("/"))).rstrip("/"),
        root=root,
    )
    _check(layout, home)
    return layout


def _place(env: Mapping[str, str], name: str, default: Path) -> Path:
    path = Path(env.get(name) or default)
    if not path.is_absolute() or ".." in path.parts:
        raise Refused(f"{name}={path} must be an absolute path without ..")
    return path


def _check(layout: Layout, home: Path) -> None:
    """The prefix is removed whole one day: it must be a folder of our own."""
    if len(layout.prefix.parts) < 3 or layout.prefix in (home, *home.parents, Path("/usr/local"), home / ".local"):
        raise Refused(f"PREFIX={layout.prefix} is not a folder of Homeport's own: try {layout.prefix / 'homeport'}")
    folder = layout.staged(layout.prefix)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Refused(f"{folder} is not a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECEIPT).exists():
        raise Refused(f"{folder} has files that are not Homeport's: choose another PREFIX, or empty it")


@contextmanager
def alone(layout: Layout) -> Iterator[None]:
    """Nobody else installs or removes here meanwhile, or `Refused` is raised. The receipt, which is locked, exists."""
    with layout.staged(layout.receipt).open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another installation is under way in {layout.staged(layout.prefix)}") from None
        yield
