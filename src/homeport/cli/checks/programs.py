# SPDX-License-Identifier: Apache-2.0
"""Running a program to see whether it works."""

from __future__ import annotations

import shutil
import subprocess


def first_line(*argv: str, timeout: float = 5.0) -> tuple[bool, str]:
    """Whether it ended with status 0, and the first line it said."""
    try:
        done = subprocess.run(argv, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    said = (done.stdout or done.stderr).decode(errors="replace").strip().splitlines()
    return done.returncode == 0, said[0][:200] if said else f"status {done.returncode}"


def found(program: str) -> str:
    """Its path, or ""."""
    return shutil.which(program) or ""


def apt(package: str) -> str:
    """The command that installs it on Debian and Ubuntu."""
    return f"sudo apt-get install -y {package}"
