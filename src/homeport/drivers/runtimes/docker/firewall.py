# SPDX-License-Identifier: Apache-2.0
"""Keeping containers on a bridge away from the services of this machine.

An internal network leaves the bridge's own address reachable, and with it everything that listens on all addresses.
One rule per bridge refuses what its containers begin; answers to what this machine began pass.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from pathlib import Path

_PLACES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
_WITHIN_S = 30.0


async def close_host(bridge: str) -> str:
    """Containers on `bridge` cannot reach this machine from now on. "" when that holds, else why not. Idempotent."""
    try:
        socket.if_nametoindex(bridge)
    except OSError:
        return "its bridge is not in this process's network"
    if os.geteuid() != 0:
        return "it takes root to write the rule that closes it"
    if why := await _refuse("iptables", bridge):
        return why
    if await _refuse("ip6tables", bridge) and _has_ipv6(bridge):
        return "ip6tables does not take the rule that closes it"
    return ""


async def _refuse(program: str, bridge: str) -> str:
    path = shutil.which(program, path=os.pathsep.join((*_PLACES, os.environ.get("PATH", ""))))
    if path is None:
        return f"there is no {program} here"
    rule = ["INPUT", "-i", bridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED", "-j", "REJECT"]
    if not await _run(path, "-w", "-C", *rule):
        return ""
    return await _run(path, "-w", "-I", rule[0], "1", *rule[1:])


async def open_host(bridge: str) -> None:
    """Take the rule away, with a bridge that goes. Already gone is no error."""
    for program in ("iptables", "ip6tables"):
        if path := shutil.which(program, path=os.pathsep.join(_PLACES)):
            rule = ["INPUT", "-i", bridge, "-m", "conntrack", "!", "--ctstate", "ESTABLISHED", "-j", "REJECT"]
            await _run(path, "-w", "-D", *rule)


async def _run(*argv: str) -> str:
    """ "" when it succeeded, else what it said."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"{argv[0]} does not end"
    return "" if process.returncode == 0 else said.decode("utf-8", "replace").strip() or f"{argv[0]} failed"


def _has_ipv6(bridge: str) -> bool:
    table = Path("/proc/thread-self/net/if_inet6")
    return table.exists() and any(line.split()[-1:] == [bridge] for line in table.read_text().splitlines())
