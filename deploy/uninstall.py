# SPDX-License-Identifier: Apache-2.0
"""`python deploy/uninstall.py`: everything `install.py` made goes; the state stays, and is named. Idempotent.

Environment: as for install.py; PURGE=1 removes configuration, state and cache too, after a question on a terminal, or
with YES=1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import services
from layout import COMMANDS, Layout, Refused, alone, from_environment

FOLDERS = """
import json, os
from homeport.settings import find_paths
paths = find_paths(os.environ)
print(json.dumps([str(getattr(paths, name)) for name in ("config", "state", "cache", "runtime")]))
"""


def main() -> int:
    try:
        layout = from_environment(os.environ)
        purge = os.environ.get("PURGE", "") not in ("", "0", "no")
        uninstall(layout, purge=purge)
    except (Refused, OSError) as error:
        print(f"uninstall: {error}", file=sys.stderr)
        return 1
    return 0


def uninstall(layout: Layout, *, purge: bool) -> None:
    if not layout.installed():
        print(f"Homeport is not installed in {layout.staged(layout.prefix)}")
        return
    folders = [] if layout.destdir else state_folders(layout)
    if purge and folders:
        confirm(folders)
    with alone(layout):
        services.disable(layout)
        if not layout.destdir:
            stop(layout)
        for link in (layout.staged(layout.bindir / name) for name in COMMANDS):
            if link.is_symlink() and link.readlink().is_relative_to(layout.prefix):
                link.unlink()
        shutil.rmtree(layout.staged(layout.prefix))
    print(f"removed {layout.staged(layout.prefix)}, its commands and its service")
    for folder in folders:
        if purge:
            shutil.rmtree(folder, ignore_errors=not folder.exists())
            print(f"removed {folder}")
        else:
            print(f"kept {folder}   (PURGE=1 removes it)")


def state_folders(layout: Layout) -> list[Path]:
    """Those that there are. The program itself says where, as long as it can."""
    argv = [str(layout.venv / "bin" / "python"), "-I", "-c", FOLDERS]
    try:
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        print("the program cannot say where its state is: it is left alone", file=sys.stderr)
        return []
    return [folder for name in json.loads(said) if (folder := Path(name)).is_dir()]


def confirm(folders: list[Path]) -> None:
    """Raises `Refused` unless somebody agrees."""
    if os.environ.get("YES", "") not in ("", "0", "no"):
        return
    print("this removes for good, agents' data and secrets included:\n  " + "\n  ".join(map(str, folders)))
    if not sys.stdin.isatty() or input("go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("nothing was removed (YES=1 agrees)")


def stop(layout: Layout) -> None:
    """A server of this installation that was started by hand. One of another is not ours to end."""
    if any(str(layout.venv) in command and "homeport.serve.keeper" in command for command in commands()):
        argv = [str(layout.program), "serve", "--stop"]
        subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def commands() -> Iterator[str]:
    """Of all processes that may be seen."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
