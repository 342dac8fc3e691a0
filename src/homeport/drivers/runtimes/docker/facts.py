# SPDX-License-Identifier: Apache-2.0
"""What this engine is and what can be done with it from here: found by asking it and by trying, once."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.docker import machine
from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.finding import describe
from homeport.drivers.runtimes.docker.options import LABEL
from homeport.errors import Conflict, HomeportError, NotFound, StorageFull, Unavailable
from homeport.sockets import socket_in

_ID = re.compile(r"[0-9a-f]{64}")
_GONE_S = 10.0
_SLEEP = "import time; time.sleep(60)"


@dataclass(frozen=True)
class Facts:
    engine: str
    """As people call it: `Docker 20.10.24`."""
    podman: bool = False
    rootless: bool = False
    folders: bool = False
    """It sees the folders of this machine, so that they can be shown to containers."""
    programs: bool = False
    """This machine's own programs run in its containers."""
    sealed: bool = False
    """Sockets can be made in its containers' network namespaces from here."""
    why_not: str = ""
    """What was in the way of the last of these that does not hold."""
    own_container: str = ""
    """The container this process is in, if it is one of this engine's; and its image."""
    own_image: str = ""
    unlimited: tuple[str, ...] = ()
    """Limits that its kernel does not enforce: memory, swap, cpu, pids."""
    seccomp: bool = True
    init: str = ""
    """Of this machine, to be used instead of the engine's own, which does not tell how programs end."""


async def find_facts(connection: Connection, own: Path, home: str) -> Facts:
    """Raises `Unavailable` where the engine does not answer."""
    version = await connection.call("GET", "version")
    connection.counts_lines = not describe(version).startswith("Podman")
    info = await connection.call("GET", "info")
    security = " ".join(map(str, info.get("SecurityOptions") or []))
    limits = {"memory": "MemoryLimit", "swap": "SwapLimit", "cpu": "CpuCfsQuota", "pids": "PidsLimit"}
    self_id, self_image = await _own_container(connection)
    found: dict[str, Any] = {
        "engine": describe(version),
        "podman": describe(version).startswith("Podman"),
        "rootless": "name=rootless" in security,
        "unlimited": tuple(name for name, key in limits.items() if info.get(key) is False),
        "seccomp": "name=seccomp" in security,
        "own_container": self_id,
        "own_image": self_image,
        "init": machine.static_init() if describe(version).startswith("Podman") else "",
    }
    if "name=userns" in security:  # its users are others than ours: what it writes to our folders would be nobody's
        return Facts(**found, why_not="the engine maps users (userns-remap)")
    try:
        return Facts(**found, **await _probe(connection, own, home, found["init"]))
    except (Unavailable, StorageFull):
        raise
    except HomeportError as error:
        return Facts(**found, why_not=error.message)


async def _probe(connection: Connection, own: Path, home: str, init: str) -> dict[str, Any]:
    """A container behind the walls of an agent, on this machine's programs."""
    nonce = os.urandom(8).hex()
    folder = own / "probe"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    file = folder / nonce
    file.touch()
    machine.write_own_files(own)
    body = {
        "Image": await ensure_root(connection),
        "Cmd": [machine.python(), "-I", "-S", "-c", _SLEEP],
        "Labels": {f"{LABEL}.probe": home},
        "HostConfig": {
            "Mounts": [*machine.mounts(own), machine.bind(str(folder), "/probe")],
            "NetworkMode": "none",
            "Init": not init,
            "CapDrop": ["ALL"],
            "ReadonlyRootfs": True,
            "Ulimits": machine.ulimits(machine.hard_limits()),
        },
    }
    made = ""
    try:
        made = (await connection.call("POST", "containers/create", body=body, operation="create"))["Id"]
        try:
            await connection.call("GET", f"containers/{made}/archive", params={"path": f"/probe/{nonce}"})
        except NotFound:
            return {"why_not": "the engine shows its own folders, not this machine's"}
        return {"folders": True} | await _started(connection, made)
    finally:
        file.unlink(missing_ok=True)
        if made:
            await remove_container(connection, made)


async def _started(connection: Connection, made: str) -> dict[str, Any]:
    try:
        await connection.call("POST", f"containers/{made}/start", operation="start")
    except (Unavailable, StorageFull):
        raise
    except HomeportError as error:
        return {"why_not": f"this machine's programs do not run in its containers: {error.message}"}
    seen = await connection.call("GET", f"containers/{made}/json")
    if not seen["State"]["Running"]:
        return {"why_not": "this machine's programs do not run in its containers"}
    return {"programs": True} | _sealed(seen)


def _sealed(seen: dict[str, Any]) -> dict[str, Any]:
    pid = int(seen["State"]["Pid"])
    key = seen["NetworkSettings"].get("SandboxKey") or f"/proc/{pid}/ns/net"
    try:
        place = os.stat(key)  # noqa: PTH116
        theirs = Path(f"/proc/{pid}/ns/net").stat()
        if (place.st_ino, place.st_dev) != (theirs.st_ino, theirs.st_dev):
            return {"why_not": "the engine's containers are not on this machine"}
        socket_in(key).close()
    except OSError as error:
        return {"why_not": f"network namespaces of containers cannot be entered from here: {error}"}
    return {"sealed": True}


async def ensure_root(connection: Connection) -> str:
    """The image below this machine's programs; imported where it is not there yet."""
    name, content = machine.root_archive()
    try:
        await connection.call("GET", f"images/{name}/json")
    except NotFound:
        repository, _, tag = name.partition(":")
        params = {"fromSrc": "-", "repo": repository, "tag": tag}
        async with connection.stream("POST", "images/create", params=params, data=content) as response:
            async for _ in connection.lines(response):
                continue
    return name


async def remove_container(connection: Connection, container: str, *, force: bool = True) -> None:
    """With its anonymous volumes, and returns once it is gone; running without `force` is no error, and it stays."""
    params = {"v": "1"} | ({"force": "1"} if force else {})
    try:
        await connection.call("DELETE", f"containers/{container}", params=params, operation="remove")
    except NotFound:
        return
    except Conflict as error:
        if "in progress" not in error.message:
            return
        with suppress(TimeoutError):  # somebody else removes it: what it holds is free when that is done
            async with asyncio.timeout(_GONE_S):
                while True:
                    if not await _there(connection, container):
                        return
                    await asyncio.sleep(0.05)


async def _there(connection: Connection, container: str) -> bool:
    try:
        await connection.call("GET", f"containers/{container}/json")
    except NotFound:
        return False
    return True


async def _own_container(connection: Connection) -> tuple[str, str]:
    """The container this process is in and its image, by the engine's word; ("", "") when it is none of its."""
    try:
        text = Path("/proc/self/mountinfo").read_text() + Path("/proc/self/cgroup").read_text()
    except OSError:
        return "", ""
    own = Path("/etc/hostname")
    for candidate in dict.fromkeys([*_ID.findall(text), own.read_text().strip() if own.exists() else ""]):
        if not re.fullmatch(r"[0-9a-f]{12,64}", candidate):
            continue
        try:
            seen = await connection.call("GET", f"containers/{candidate}/json")
        except NotFound:
            continue
        if seen["Config"]["Hostname"] == os.uname().nodename and seen["State"]["Running"]:
            return seen["Id"], seen["Image"]
    return "", ""
