# SPDX-License-Identifier: Apache-2.0
"""What runs for one state folder, read from /proc: its own processes, their descendants, their control groups."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")


def own(home: Path) -> dict[int, str]:
    """Processes started with HOMEPORT_HOME=`home`: pid → command line. Agents never see that variable."""
    wanted = f"HOMEPORT_HOME={home}".encode()
    found = {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = command(int(folder.name))
        except OSError:  # ended meanwhile, or another user's
            continue
    return found


def keeper_of(home: Path) -> int:
    """The pid of the server's parent process, or 0."""
    return next((pid for pid, words in own(home).items() if "homeport.serve.keeper" in words), 0)


def command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def below(pid: int) -> list[int]:
    """All descendants, parents before their children."""
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (parent := parent_of(int(folder.name))):
            children.setdefault(parent, []).append(int(folder.name))
    found, queue = [], sorted(children.get(pid, []))
    while queue:
        found.append(queue.pop(0))
        queue += sorted(children.get(found[-1], []))
    return found


def parent_of(pid: int) -> int:
    """0 when there is no such process any more."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat[stat.rindex(")") + 2 :].split()[1])


def program(keeper: int, start: list[str]) -> int:
    """The process among the keeper's descendants that executes `start`, or 0. The interpreter's path may differ."""
    for pid in reversed(below(keeper)):
        words = command(pid).split()
        if words and Path(words[0]).name == Path(start[0]).name and words[1:] == start[1:]:
            return pid
    for pid in reversed(below(keeper)):
        if start[1:] and command(pid).split()[1:] == start[1:]:
            return pid
    return 0


def groups(keeper: int) -> set[Path]:
    """The control groups of ours that the keeper's descendants are in, and the parents we made for them."""
    found = set()
    for pid in below(keeper):
        try:
            lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            _, controllers, path = line.split(":", 2)
            parts = path.strip("/").split("/")
            ours = [number for number, part in enumerate(parts) if part.startswith("homeport")]
            for end in range(ours[0] + 1 if ours else len(parts) + 1, len(parts) + 1):
                found.add(CGROUPS / controllers / "/".join(parts[:end]))
    return found


def in_container(agent: str, words: list[str]) -> int:
    """The pid of an agent's program that is nobody's descendant here, or 0. Homeport tells it its name."""
    mark = f"HOMEPORT_AGENT={agent}".encode()
    for folder in PROC.iterdir():
        try:
            same = folder.name.isdigit() and command(int(folder.name)) == " ".join(words)
            if same and mark in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:  # ended meanwhile, or another user's
            continue
    return 0
