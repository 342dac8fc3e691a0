# SPDX-License-Identifier: Apache-2.0
"""Which walls hold on this machine: found by starting a real program behind each, once."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.process import seccomp
from homeport.drivers.runtimes.process.cgroup import Cgroups
from homeport.drivers.runtimes.process.launch import launch
from homeport.drivers.runtimes.process.walls import UID_RANGES, Launch, Walls, find_bwrap
from homeport.serve.keeper.instance import counts_own_processes

_TIMEOUT = 10.0


def find_walls(own: Path, folder: Path, cgroups: Cgroups) -> Walls:
    """The strongest walls that work. `folder` is one where agents' folders will be, so that reaching it is tried."""
    problem = ""
    for walls in _candidates(cgroups):
        failure = try_walls(walls, own, folder)
        if not failure:
            return replace(walls, problem=problem)
        problem = problem or failure
    return Walls(cgroups=cgroups, problem=problem or "nothing could be started", refused=True)


def _candidates(cgroups: Cgroups) -> Iterator[Walls]:
    machine = os.uname().machine
    rules = seccomp.build(machine) if machine in seccomp.architectures() else b""
    users: list[tuple[int, int] | None] = list(UID_RANGES) if os.geteuid() == 0 else [None]
    for user in users:
        for bwrap in find_bwrap():
            yield Walls(bwrap, user, user is not None, True, rules, cgroups)
            yield Walls(bwrap, user, user is not None, False, rules, cgroups)
    for user in users:
        for staged in (True, False) if user else (False,):
            yield Walls("", user, staged, False, b"", cgroups)


def try_walls(walls: Walls, own: Path, folder: Path) -> str:
    """ "" when a program ran behind them and its exit was reported, else what was said."""
    code, data = folder / ".probe-code", folder / ".probe-data"
    try:
        for place in (code, data):
            place.mkdir(exist_ok=True)
        code.chmod(0o755)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        said_r, said_w = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        what = Launch(
            instance="probe", agent_id="probe", name="probe", argv=["sh", "-c", "echo > $HOMEPORT_DATA/x"], env={},
            code=str(code), data=str(data), own=own, status=theirs.fileno(), out=said_w, err=said_w,
        )  # fmt: skip
        try:
            pid = launch(walls, what)
        finally:
            theirs.close()
            os.close(said_w)
        heard = _listen(ours)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        ours.close()
        said = _text(said_r)
        os.close(said_r)
    finally:
        (data / "x").unlink(missing_ok=True)
        for place in (code, data):
            place.rmdir()
    if "E 0" in heard:
        return ""
    failed = next((message.partition(" ")[2].partition(" ")[2] for message in heard if message[:1] == "F"), "")
    return said or failed or "the program ended without a report"


def confinement(walls: Walls) -> dict[str, Any]:
    """As `model.instance.Confinement`."""
    enforced, missing = ["own session and process group", "environment of its own", "open files limit"], []
    hints = []
    if walls.bwrap:
        enforced += ["own user, process, network, IPC and host name namespaces", "read-only system and code folders"]
        enforced += ["private /tmp", "no capabilities, no new privileges"]
    else:
        missing += ["sandbox (namespaces, read-only system, no network)"]
        if find_bwrap():
            hints.append("allow user namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
        else:
            hints.append("install bubblewrap: apt install bubblewrap")
    (enforced if walls.seccomp and walls.bwrap else missing).append("system call filter (seccomp)")
    if walls.uid_range:
        enforced.append("an unprivileged user of its own for each agent")
    elif os.geteuid() == 0:
        missing.append("an unprivileged user: this root may not change users, agents are refused")
    else:
        missing.append("a user of its own (agents run as yours)")
    parents = walls.cgroups.parents if walls.cgroups else {}
    for controller, limit in (
        ("memory", "memory limit and OOM detection"),
        ("pids", "process limit"),
        ("cpu", "CPU limit"),
    ):
        if controller in parents:
            enforced.append(f"{limit} (cgroup v{walls.cgroups.version})" if walls.cgroups else limit)
        elif controller == "pids" and counts_own_processes(walls):
            enforced.append(f"{limit} (resource limit)")
        else:
            less = "; a single process is held to four times the limit" if controller == "memory" else ""
            missing.append(f"{limit}: no writable cgroup{less}")
    if not parents:
        hints.append("let a cgroup be written: systemd-run --user --scope -p Delegate=yes homeport serve")
    level = "sandbox" if walls.bwrap else "process"
    if walls.problem:
        missing.append(f"what was tried first said: {walls.problem[:300]}")
    return {"level": level, "enforced": enforced, "missing": missing, "hint": "; ".join(hints)}


def _listen(status: socket.socket) -> list[str]:
    heard = []
    deadline = time.monotonic() + _TIMEOUT
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([status], [], [], left)[0]:
            break
        message = status.recv(600)
        if not message:
            break
        heard.append(message.decode("utf-8", "replace"))
    return heard


def _text(fd: int) -> str:
    try:
        return os.read(fd, 2000).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return ""
