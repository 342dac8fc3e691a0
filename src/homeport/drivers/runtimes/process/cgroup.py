# SPDX-License-Identifier: Apache-2.0
"""Limits by control groups, version 1 or 2, where this process may write them."""

from __future__ import annotations

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PERIOD_US = 100_000
OVERHEAD_PIDS = 4
"""bwrap, the shim and their short-lived forks, on top of what the program may have."""
_CONTROLLERS = ("memory", "pids", "cpu")


@dataclass(frozen=True)
class Group:
    """The folders of one instance: one for each controller of version 1, or a single one of version 2."""

    folders: dict[str, str]

    def join(self) -> None:
        """Move the calling process in; its children follow."""
        for folder in set(self.folders.values()):
            Path(folder, "cgroup.procs").write_text("0")

    def oom_kills(self) -> int:
        """How often the kernel killed a process of the group because its memory limit was reached."""
        folder = self.folders.get("memory")
        if folder is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            try:
                lines = Path(folder, name).read_text().splitlines()
            except OSError:
                continue
            return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
        return 0

    def pids(self) -> set[int]:
        found: set[int] = set()
        for folder in set(self.folders.values()):
            try:
                found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
        return found - {0, os.getpid()}

    def kill(self) -> None:
        """SIGKILL to every member, those being forked meanwhile included, as far as they can be seen."""
        for _ in range(20):
            members = self.pids()
            if not members:
                return
            for pid in members:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def remove(self) -> bool:
        """True once all folders are gone; False while dying processes still hold one (call again)."""
        gone = True
        for folder in set(self.folders.values()):
            try:
                Path(folder).rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone


class Cgroups:
    """Where groups are made: `parents` holds a writable folder of ours per controller; empty if there is none."""

    def __init__(self, label: str, mount: Path = MOUNT, own: str | None = None) -> None:
        self.label = label
        self.problem = ""
        own = Path("/proc/self/cgroup").read_text() if own is None else own
        places = dict(line.split(":", 2)[1:] for line in own.splitlines() if line)
        self.version = 2 if (mount / "cgroup.controllers").exists() else 1
        if self.version == 2:
            self.parents = self._open_v2(mount, places.get("", "/"))
        else:
            self.parents = self._open_v1(mount, places)

    def _open_v1(self, mount: Path, places: dict[str, str]) -> dict[str, Path]:
        parents = {}
        for controller in _CONTROLLERS:
            for names, path in places.items():
                if controller not in names.split(","):
                    continue
                for base in (mount / controller / path.lstrip("/"), mount / controller):
                    parent = base / self.label
                    if _writable_folder(parent, "cgroup.procs"):
                        parents[controller] = parent
                        break
        if not parents:
            self.problem = "no cgroup controller is writable for this user"
        return parents

    def _open_v2(self, mount: Path, path: str) -> dict[str, Path]:
        """Only a group without processes of its own may hand controllers down, so we try to move into a leaf."""
        for base in (mount / path.lstrip("/"), mount):
            parent = base / self.label
            if not _writable_folder(parent, "cgroup.procs"):
                continue
            offered = _words(base / "cgroup.subtree_control")
            if not offered.issuperset(_CONTROLLERS):
                _hand_down(base, leaf=base / f"{self.label}-keeper")
            _hand_down(parent, leaf=None)
            given = _words(parent / "cgroup.subtree_control") & set(_CONTROLLERS)
            if given:
                return dict.fromkeys(sorted(given), parent)
            self._forget(parent)
        self.problem = "the cgroup of this process may not hand down memory, pids and cpu (no delegation)"
        return {}

    def create(self, name: str, *, memory_bytes: int, pids: int, cpus: float) -> Group:
        """A group with these limits (0: none). Raises OSError when the kernel refuses; nothing is left then."""
        wanted = {controller: parent for controller, parent in self.parents.items() if cpus or controller != "cpu"}
        group = Group({controller: str(parent / name) for controller, parent in wanted.items()})
        try:
            for folder in sorted(set(group.folders.values())):
                Path(folder).mkdir(exist_ok=True)
            for controller, file, value in self._limits(memory_bytes, pids, cpus):
                if controller in group.folders:
                    Path(group.folders[controller], file).write_text(value)
            self._no_swap(group, memory_bytes)
        except OSError:
            group.remove()
            raise
        return group

    def _limits(self, memory_bytes: int, pids: int, cpus: float) -> list[tuple[str, str, str]]:
        two = self.version == 2
        wanted = []
        if memory_bytes:
            wanted.append(("memory", "memory.max" if two else "memory.limit_in_bytes", str(memory_bytes)))
        if pids:
            wanted.append(("pids", "pids.max", str(pids + OVERHEAD_PIDS)))
        if cpus and two:
            wanted.append(("cpu", "cpu.max", f"{int(cpus * PERIOD_US)} {PERIOD_US}"))
        elif cpus:
            wanted.append(("cpu", "cpu.cfs_quota_us", str(int(cpus * PERIOD_US))))
        return wanted

    def _no_swap(self, group: Group, memory_bytes: int) -> None:
        """Swap would let a leak slow the whole machine before it ends; kernels without swap accounting have no file."""
        if not memory_bytes or "memory" not in group.folders:
            return
        file, value = ("memory.swap.max", "0") if self.version == 2 else ("memory.memsw.limit_in_bytes", memory_bytes)
        path = Path(group.folders["memory"], file)
        if path.exists():
            path.write_text(str(value))

    def remove(self) -> None:
        """Our own parent folders, if empty."""
        for folder in set(self.parents.values()):
            self._forget(folder)

    def _forget(self, folder: Path) -> None:
        try:
            folder.rmdir()
        except OSError:
            return  # groups of a keeper that was killed are in it: the sweep takes them


def remove_when_empty(group: Group, timeout: float = 5.0) -> bool:
    """Kill and remove, waiting for the kernel to let go of killed processes."""
    deadline = time.monotonic() + timeout
    while True:
        group.kill()
        if group.remove():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)


def _writable_folder(folder: Path, probe: str) -> bool:
    try:
        folder.mkdir(exist_ok=True)
    except OSError:
        return False
    return os.access(folder / probe, os.W_OK)


def _words(path: Path) -> set[str]:
    try:
        return set(path.read_text().split())
    except OSError:
        return set()


def _hand_down(folder: Path, leaf: Path | None) -> None:
    """Offer the controllers to the children of `folder`; processes in the way (only ours) move into `leaf`."""
    wanted = " ".join(f"+{name}" for name in _CONTROLLERS if name in _words(folder / "cgroup.controllers"))
    for attempt in (1, 2):
        try:
            (folder / "cgroup.subtree_control").write_text(wanted)
            return
        except OSError:
            if attempt == 2 or leaf is None or _words(folder / "cgroup.procs") != {str(os.getpid())}:
                return
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0")
