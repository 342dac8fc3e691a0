# SPDX-License-Identifier: Apache-2.0
"""Whether the program of a started container was executed: an engine only knows that its own init was.

Where containers' processes are seen from here it is seen at once; else the engine is asked what runs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.docker.connection import Connection
from homeport.drivers.runtimes.docker.exits import why_not_executed
from homeport.drivers.runtimes.docker.output import last_lines
from homeport.errors import Conflict, HomeportError, NotFound

_WITHIN_S = 30.0
_NEAR_S, _FAR_S = 0.002, 0.05
_LAST_LINES = 20


async def executed(connection: Connection, container: str, *, near: bool) -> dict[str, Any]:
    """The inspection of a container whose program was executed, also one that has ended since.

    `near`: its processes are seen from here. Raises `HomeportError` with what kept it from being executed.
    """
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await _until(connection, container, near=near)
    except TimeoutError:
        raise HomeportError(f"the program was not executed within {_WITHIN_S:g} seconds", operation="start") from None


async def _until(connection: Connection, container: str, *, near: bool) -> dict[str, Any]:
    while True:
        seen: dict[str, Any] = await connection.call("GET", f"containers/{container}/json")
        if not seen["State"]["Running"]:
            lines = await last_lines(connection, container, _LAST_LINES)
            if why := why_not_executed(int(seen["State"]["ExitCode"]), lines):
                raise HomeportError(why, operation="start")
            return seen
        pid = int(seen["State"]["Pid"])
        if near:
            if await _seen_running(pid):
                return seen
        elif await _listed(connection, container):
            return seen
        await asyncio.sleep(_FAR_S)  # it is about to end


async def _seen_running(init: int) -> bool:
    """Waits for the program below `init`; False where it has ended."""
    while (found := _child_runs(init)) is False:  # noqa: ASYNC110  the kernel tells nobody of an execve
        await asyncio.sleep(_NEAR_S)
    return found is True


def _child_runs(init: int) -> bool | None:
    """Whether init's child is another program than init already; None when it has ended, or init has."""
    try:
        children = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        if not children:
            return False if Path(f"/proc/{init}/cmdline").read_bytes() else None
        child = Path(f"/proc/{children[0]}/cmdline").read_bytes()
        return None if not child else child != Path(f"/proc/{init}/cmdline").read_bytes()
    except OSError:
        return None


async def _listed(connection: Connection, container: str) -> bool:
    try:
        found = await connection.call("GET", f"containers/{container}/top")
    except (Conflict, NotFound):
        return False
    except HomeportError as error:
        if "not running" in error.message:
            return False
        raise
    commands = {tuple(row)[-1] for row in found.get("Processes") or []}
    return len(commands) > 1
