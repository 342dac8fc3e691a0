# SPDX-License-Identifier: Apache-2.0
"""systemd, where it runs: the unit of Homeport written, enabled, started, stopped, removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from layout import Layout

UNITS = Path(__file__).resolve().parent / "systemd"
USER = "homeport"


def runs(layout: Layout) -> bool:
    """Whether a systemd is there to be told, for this user, about an installation on this very machine."""
    if layout.destdir or not Path("/run/systemd/system").is_dir() or not shutil.which("systemctl"):
        return False
    return layout.root or systemctl(layout, "show-environment")


def install(layout: Layout) -> Path | None:
    """The unit's place; None where neither a packager nor systemd wants one."""
    if not layout.destdir and not runs(layout):
        return None
    text = (UNITS / ("homeport.service" if layout.root else "homeport-user.service")).read_text()
    place = layout.staged(layout.unit)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text.replace("@HOMEPORT@", str(layout.program)))
    place.chmod(0o644)
    return layout.unit


def enable(layout: Layout, *, start: bool) -> None:
    if not runs(layout):
        if not layout.destdir:
            print("systemd does not run here: start it with  homeport serve --detach")
        return
    if layout.root:
        ensure_user()
    systemctl(layout, "daemon-reload", needed=True)
    systemctl(layout, "enable", "--quiet", "homeport.service", needed=True)
    if start:
        systemctl(layout, "restart", "homeport.service", needed=True)
        print(
            "the service homeport runs, and starts with the machine"
            + ("" if layout.root else " (loginctl enable-linger)")
        )
    else:
        print("the service homeport is enabled, not started")


def disable(layout: Layout) -> None:
    """Idempotent; agents are ended by the server in order."""
    if runs(layout) and layout.unit.exists():
        systemctl(layout, "disable", "--quiet", "--now", "homeport.service")
    layout.staged(layout.unit).unlink(missing_ok=True)
    if runs(layout):
        systemctl(layout, "daemon-reload")


def ensure_user() -> None:
    """The system's user `homeport`, without a shell. Idempotent. Raises CalledProcessError."""
    known = subprocess.run(["getent", "passwd", USER], capture_output=True, check=False)
    if known.returncode:
        argv = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/homeport",
                "--shell", "/usr/sbin/nologin", USER]  # fmt: skip
        subprocess.run(argv, check=True)


def systemctl(layout: Layout, *words: str, needed: bool = False) -> bool:
    """Raises CalledProcessError where it is `needed` and fails."""
    argv = ["systemctl", *([] if layout.root else ["--user"]), *words]
    done = subprocess.run(argv, env=os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=needed,
                          stderr=None if needed else subprocess.DEVNULL)  # fmt: skip
    return done.returncode == 0
