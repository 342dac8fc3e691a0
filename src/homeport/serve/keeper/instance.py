# SPDX-License-Identifier: Apache-2.0
"""One instance from its start to its last log line."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.process.cgroup import Group
from homeport.drivers.runtimes.process.launch import launch
from homeport.drivers.runtimes.process.walls import Launch, Walls
from homeport.serve.keeper.logs import AgentLog, Splitter
from homeport.serve.keeper.loop import Loop, Timer
from homeport.serve.keeper.state import Record

READ_BYTES = 16 * 1024
"""A turn's share of one pipe: short lines cost most, and a flood must not keep the others waiting."""
PIPE_BYTES = 1024 * 1024
"""The most a pipe of an unprivileged program holds."""
START_TIMEOUT = 30.0
GONE_TIMEOUT = 10.0


@dataclass
class Pipe:
    fd: int
    stream: str
    splitter: Splitter = field(default_factory=Splitter)


class Instance:
    """`on_started(error)` is called once: "" when the program was executed. `on_gone` once nothing of it is left."""

    def __init__(
        self,
        record: Record,
        what: Launch,
        *,
        loop: Loop,
        walls: Walls,
        log: AgentLog,
        on_started: Callable[[Instance, str], None],
        on_gone: Callable[[Instance], None],
    ) -> None:
        self.record, self.what, self.loop, self.walls, self.log = record, what, loop, walls, log
        self._on_started, self._on_gone = on_started, on_gone
        self._pipes: list[Pipe] = []
        self._started = False
        self._report = ""
        self._failure = ""
        self._last_err: list[bytes] = []
        self._reaped = False
        self._kill_timer: Timer | None = None
        self._gone_deadline = 0.0
        self.stoppers: list[Callable[[], None]] = []
        self.agent_pid = 0

    def start(self) -> None:
        """Fork. Raises ValueError or OSError with nothing started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.setblocking(False)
        self.status = ours
        ends = []
        try:
            for stream in ("out", "err"):
                ours_fd, theirs_fd = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(ours_fd, False)
                self._pipes.append(Pipe(ours_fd, stream))
                ends.append(theirs_fd)
            self.what.out, self.what.err = ends
            self.what.status = theirs.fileno()
            self.pid = launch(self.walls, self.what)
        except (OSError, ValueError):
            ours.close()
            for pipe in self._pipes:
                os.close(pipe.fd)
            raise
        finally:
            theirs.close()
            for fd in ends:
                os.close(fd)
        self.what.env = {}  # it holds secrets, and has been passed on
        self.record["proc"] = [self.pid, start_ticks(self.pid)]
        self.loop.on_exit(self.pid, self._exited)
        self.loop.watch(ours.fileno(), lambda _: self._hear())
        for pipe in self._pipes:
            self.loop.watch(pipe.fd, lambda _, pipe=pipe: self._read(pipe))  # type: ignore[misc]
        self._start_timer = self.loop.after(START_TIMEOUT, self._too_slow)

    def stop(self, grace: float) -> None:
        """SIGTERM to the program now, SIGKILL to all of it after `grace` seconds."""
        if grace > 0 and self._started:
            try:
                self.status.send(b"T")
            except OSError:
                grace = 0  # the shim is gone or stuck
        elif grace > 0:
            grace = 0  # nothing was executed yet that could end in order
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_timer = self.loop.after(grace, self.kill)

    def kill(self) -> None:
        if not self._reaped:
            os.kill(self.pid, signal.SIGKILL)
        self._kill_first()
        if self.what.group is not None:
            self.what.group.kill()

    def _kill_first(self) -> bool:
        """SIGKILL to the first process of the sandbox, and by the kernel to all in it; True once it is gone.

        It ends with its parent unless a hostile program has talked it out of that: it may write to its memory.
        """
        pid, ticks = self.record.get("first_proc", (0, 0))
        if not ticks or start_ticks(pid) != ticks:
            return True
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return True
        return False

    def _too_slow(self) -> None:
        self._failure = self._failure or f"the program was not executed within {START_TIMEOUT:.0f} seconds"
        self.kill()

    def _hear(self) -> bool:
        """One message of the shim; False when there is none."""
        try:
            message, credentials, _, _ = self.status.recvmsg(600, socket.CMSG_SPACE(12))
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if not message:
            self.loop.unwatch(self.status.fileno())
            return False
        kind, text = message[:1], message[1:].decode("utf-8", "replace").strip()
        if kind == b"I" and credentials and "first_proc" not in self.record:
            first = sender(credentials)
            self.record["first_proc"] = [first, start_ticks(first)]
        elif kind == b"P" and credentials and not self.agent_pid:
            self.agent_pid = sender(credentials)
        elif kind == b"X" and not self._started:
            self._begin()
        elif kind == b"F" and not self._started:
            self._failure = text.partition(" ")[2] or text
        elif kind in (b"E", b"S") and not self._report:
            self._report = message.decode("ascii", "replace")
        return True

    def _begin(self) -> None:
        self._started = True
        self._start_timer.cancel()
        self.record |= {
            "state": "running",
            "pid": self.agent_pid,
            "started_at_us": time.time_ns() // 1000,
            "endpoint": self.record["address"],
            "agent_proc": [self.agent_pid, start_ticks(self.agent_pid)],
        }
        self.log.say(self.record["instance"], f"started: process {self.agent_pid}")
        self._on_started(self, "")

    def _read(self, pipe: Pipe) -> bool:
        """One share of a pipe; False when there was nothing to read."""
        try:
            data = os.read(pipe.fd, READ_BYTES)
        except BlockingIOError:
            return False
        lines = pipe.splitter.feed(data) if data else pipe.splitter.end()
        if pipe.stream == "err" and not self._started:
            self._last_err = [*self._last_err, *lines][-5:]
        if lines:
            self.log.write(pipe.stream, self.record["instance"], lines)
        if not data:
            self.loop.unwatch(pipe.fd)
        return bool(data)

    def _exited(self, wait_status: int) -> None:
        self._reaped = True
        self._wait_status = wait_status
        self._start_timer.cancel()
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._gone_deadline = time.monotonic() + GONE_TIMEOUT
        self._clear()

    def _clear(self) -> None:
        """What the program left running ends now; the kernel may need a moment to let go of it."""
        oom_kills = 0
        if not self._kill_first() and time.monotonic() < self._gone_deadline:
            self.loop.after(0.005, self._clear)
            return
        if self.what.group is not None:
            self.what.group.kill()
            oom_kills = self.what.group.oom_kills()
            if not self.what.group.remove() and time.monotonic() < self._gone_deadline:
                self.loop.after(0.005, self._clear)
                return
        if not self.walls.bwrap:
            end_adopted(self.loop.children)
        while self._hear():
            continue
        for pipe in self._pipes:
            self.loop.unwatch(pipe.fd)
        self._drain(1 + PIPE_BYTES // READ_BYTES, oom_kills)

    def _drain(self, shares: int, oom_kills: int) -> None:
        """What is left in the pipes, a share in each turn: a megabyte of short lines must not keep others waiting."""
        found = [self._read(pipe) for pipe in self._pipes]
        if any(found) and shares:
            self.loop.soon(lambda: self._drain(shares - 1, oom_kills))
        else:
            self._close(oom_kills)

    def _close(self, oom_kills: int) -> None:
        for pipe in self._pipes:
            self.log.write(pipe.stream, self.record["instance"], pipe.splitter.end())
            os.close(pipe.fd)
        self.loop.unwatch(self.status.fileno())
        self.status.close()
        self.what.free_port()
        if self._started:
            self.record["exit"] = self._exit(oom_kills)
            self.log.say(self.record["instance"], describe(self.record["exit"]))
            self._on_gone(self)
        else:
            self._on_started(self, self._why())

    def _exit(self, oom_kills: int) -> dict[str, Any]:
        """What was seen. The first process of a sandbox ends only when the program did or by SIGKILL, which the
        kernel then sends to all in it: without a report from the shim, SIGKILL is what the program got."""
        kind, _, number = self._report.partition(" ")
        valid = number.isascii() and number.isdigit() and int(number) < 256
        code = int(number) if kind == "E" and valid else None
        by_signal = None if code is not None else int(number) if kind == "S" and valid else int(signal.SIGKILL)
        oom = oom_kills > 0 and code != 0
        at_us = time.time_ns() // 1000
        return {"at_us": at_us, "code": code, "signal": by_signal, "oom": oom, "lost": False}

    def _why(self) -> str:
        if self._failure:
            return self._failure
        said = b"; ".join(self._last_err).decode("utf-8", "replace")
        return said or f"the sandbox ended with wait status {self._wait_status} before the program was executed"


def describe(exit: dict[str, Any]) -> str:
    if exit["lost"]:
        return "ended: its supervisor died, the exit was not observed"
    if exit["oom"]:
        return "ended: killed by the kernel, memory limit reached (OOM)"
    return f"ended: signal {exit['signal']}" if exit["code"] is None else f"ended: exit status {exit['code']}"


def sender(credentials: list[tuple[int, int, bytes]]) -> int:
    """Who sent a message, by the kernel's word, in our own numbering of processes."""
    pid: int = struct.unpack("iII", credentials[0][2][:12])[0]
    return pid


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot: with the pid it names one process. 0 when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(stat.rpartition(b")")[2].split()[19])


def end_adopted(ours: set[int]) -> None:
    """SIGKILL to processes that became our children because theirs ended: they belong to nobody any more."""
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        if child not in ours:
            os.kill(child, signal.SIGKILL)


def program_limits(walls: Walls, limits: dict[str, Any]) -> dict[int, int]:
    """Resource limits of the program, for what no cgroup enforces.

    RLIMIT_AS would break runtimes that reserve address space; RLIMIT_DATA counts what is writable, and at four times
    the limit it ends a leak without disturbing thread stacks. RLIMIT_NPROC counts per user, so it is used where
    that user is the agent's alone: its own uid, or its own user namespace on a kernel that counts per namespace.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    found = {}
    if files := int(limits["open_files"]):
        found[resource.RLIMIT_NOFILE] = files if hard == resource.RLIM_INFINITY else min(files, hard)
    parents = walls.cgroups.parents if walls.cgroups else {}
    if "memory" not in parents and limits["memory_bytes"]:
        found[resource.RLIMIT_DATA] = 4 * int(limits["memory_bytes"])
    if "pids" not in parents and limits["pids"] and counts_own_processes(walls):
        found[resource.RLIMIT_NPROC] = int(limits["pids"]) + 2
    return found


def counts_own_processes(walls: Walls) -> bool:
    release = os.uname().release.split(".")
    return walls.uid_range is not None or (bool(walls.bwrap) and (int(release[0]), int(release[1])) >= (5, 14))


def group_for(walls: Walls, instance: str, limits: dict[str, Any]) -> Group | None:
    if walls.cgroups is None or not walls.cgroups.parents:
        return None
    return walls.cgroups.create(
        instance,
        memory_bytes=int(limits["memory_bytes"]),
        pids=int(limits["pids"]),
        cpus=float(limits["cpus"]),
    )
