# SPDX-License-Identifier: Apache-2.0
"""The admin token is shown once, to whoever made the very first start, and is in no log."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from homes import Home, wait_until


def token_of(home: Home) -> str:
    return (home.folder / "config" / "admin-token").read_text().strip()


def files_with(home: Home, text: str) -> list[Path]:
    files = [file for file in home.folder.rglob("*") if file.is_file()]
    return [file.relative_to(home.folder) for file in files if text.encode() in file.read_bytes()]


def test_a_first_start_in_the_background_shows_it_once_on_stderr(home: Home) -> None:
    first = home.run("serve", "--detach")
    token = token_of(home)
    assert first.stderr.count(token) == 1 and "admin-token" in first.stderr and token not in first.stdout
    home.run("serve", "--stop")
    again = home.run("up", str(home.agent()), "--name", "agent")
    assert token not in again.stderr + again.stdout and token_of(home) == token
    assert files_with(home, token) == [Path("config/admin-token")]


def test_up_shows_it_where_it_made_the_first_start(home: Home) -> None:
    done = home.run("--json", "up", str(home.agent()), "--name", "agent")
    assert done.stderr.count(token_of(home)) == 1 and token_of(home) not in done.stdout


def test_a_foreground_server_shows_it_on_a_terminal_and_nowhere_else(home: Home) -> None:
    with home.spawn("serve") as piped:
        assert wait_until(lambda: home.run("status", check=False).returncode == 0)
        piped.terminate()
        _, said = piped.communicate(timeout=60)
    token = token_of(home)
    assert token not in said
    (home.folder / "config" / "admin-token").unlink()
    for file in (home.folder / "state").glob("state.db*"):
        file.unlink()
    shown = on_a_terminal(home)
    assert token_of(home) != token and shown.count(token_of(home)) == 1
    assert files_with(home, token_of(home)) == [Path("config/admin-token")]


def on_a_terminal(home: Home) -> str:
    """What a first `serve` says there until it is up."""
    ours, its = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "homeport", "serve"], env=home.env, stdin=its, stderr=its)
    os.close(its)
    said, deadline = b"", time.monotonic() + 60
    while b"shown this once" not in said and time.monotonic() < deadline:
        if select.select([ours], [], [], 1.0)[0]:
            said += os.read(ours, 65536)
    process.terminate()
    process.wait(60)
    os.close(ours)
    return said.decode()
