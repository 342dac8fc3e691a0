# SPDX-License-Identifier: Apache-2.0
"""After a keeper was killed: end what it left running, take away what it left lying, say that exits were not seen."""

# Names come from scans of folders and are passed on as they are.
# ruff: noqa: PTH108, PTH208
from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from homeport.drivers.runtimes.process.cgroup import Cgroups, Group, remove_when_empty
from homeport.serve.keeper.instance import describe, start_ticks
from homeport.serve.keeper.instances import clean
from homeport.serve.keeper.logs import AgentLog
from homeport.serve.keeper.state import State
from homeport.serve.keeper.trees import remove_tree

_GONE_TIMEOUT = 5.0


def sweep(state: State, *, own: Path, scratch: Path, logs: Path, cgroups: Cgroups) -> list[str]:
    """Returns the instances that are reported as lost. Only processes that are provably ours are killed: same pid
    and same start time as noted, or member of a cgroup that we made."""
    lost = []
    for name, record in list(state.instances.items()):
        if record["state"] == "exited":
            continue
        for process in ("proc", "first_proc", "agent_proc"):
            pid, ticks = record.get(process, (0, 0))
            _end(pid, ticks)
        if record["group"]:
            remove_when_empty(Group(record["group"]), _GONE_TIMEOUT)
        clean(record)
        if record["state"] == "starting":
            del state.instances[name]
            continue
        record["exit"] = {"at_us": time.time_ns() // 1000, "code": None, "signal": None, "oom": False, "lost": True}
        record |= {"state": "exited", "endpoint": "", "seq_exited": state.next_seq()}
        log = AgentLog(logs / record["agent_id"], 1 << 30)
        log.say(name, describe(record["exit"]))
        log.close()
        lost.append(name)
    _sweep_unknown(own, scratch, cgroups)
    state.save()
    return lost


def _sweep_unknown(own: Path, scratch: Path, cgroups: Cgroups) -> None:
    """What was made in the moment before it was noted. The folders are ours alone, and so are the cgroups' parents."""
    for folder in set(cgroups.parents.values()):
        for entry in os.scandir(folder):
            if entry.is_dir(follow_symlinks=False):
                remove_when_empty(Group({"": entry.path}), _GONE_TIMEOUT)
    for entry in os.scandir(own / "sockets"):
        os.unlink(entry.path)
    for entry in os.scandir(scratch):
        remove_tree(entry.path.removesuffix(".removed"))


def _end(pid: int, ticks: int) -> None:
    """SIGKILL to exactly that process, its session with it, and wait until the kernel has let go of it."""
    if not pid or not ticks or start_ticks(pid) != ticks:
        return
    handle = os.pidfd_open(pid)
    try:
        if start_ticks(pid) != ticks:
            return
        for member in _session_of(pid):
            _kill(member)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    deadline = time.monotonic() + _GONE_TIMEOUT
    while start_ticks(pid) == ticks and time.monotonic() < deadline:
        if _state(pid) == "Z":
            return
        time.sleep(0.005)


def _session_of(leader: int) -> list[int]:
    members = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != leader:
            try:
                if os.getsid(int(entry)) == leader:
                    members.append(int(entry))
            except ProcessLookupError:
                continue
    return members


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _state(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    return stat.rpartition(b")")[2].split()[0].decode()
