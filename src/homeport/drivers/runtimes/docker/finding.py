# SPDX-License-Identifier: Apache-2.0
"""Where an engine is, and whether one answers: without its SDK, since most commands only want to know."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from homeport.errors import Unavailable
from homeport.sockets import short_path

PATIENCE_S = 2.0
_MOST = 1 << 20


def usual_sockets() -> list[str]:
    """Docker's, then those of a user's own Docker and Podman, then root's Podman: only ones that are there."""
    own = f"/run/user/{os.geteuid()}"
    places = ("/run/docker.sock", "/var/run/docker.sock", f"{own}/docker.sock", f"{own}/podman/podman.sock",
              "/run/podman/podman.sock")  # fmt: skip
    return [place for place in places if _is_socket(place)]


def find_host(host: str) -> str:
    """`host`, or the first usual socket. Raises `Unavailable` where there is none."""
    if host:
        return host if "://" in host else f"unix://{host}"
    if found := usual_sockets():
        return f"unix://{found[0]}"
    raise Unavailable(
        "no container engine was found", operation="find an engine",
        hint="install Docker or Podman and start it, or name one: DOCKER_HOST=unix:///path",
    )  # fmt: skip


async def answers(host: str = "") -> str:
    """What answers at `host` (or at a usual socket), as `Docker 28.2.2`; "" if nothing does within 2 s."""
    places = [find_host(host)] if host else [f"unix://{place}" for place in usual_sockets()]
    for place in places:
        kind, _, path = place.partition("://")
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await (_ask(path) if kind == "unix" else _ask_far(place))
        except (OSError, ValueError, TimeoutError):
            continue
        if found:
            return found
    return ""


async def _ask(path: str) -> str:
    with short_path(path) as name:
        reader, writer = await asyncio.open_unix_connection(name)
    try:
        writer.write(b"GET /version HTTP/1.0\r\nHost: engine\r\n\r\n")
        answer = await reader.read(_MOST)
        while more := await reader.read(_MOST):
            answer += more
            if len(answer) > _MOST:
                return ""
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return describe(json.loads(body)) if b" 200 " in head.split(b"\r\n")[0] else ""


async def _ask_far(host: str) -> str:
    from homeport.drivers.runtimes.docker.connection import Connection
    from homeport.errors import HomeportError

    connection = Connection(host)
    try:
        return describe(await connection.call("GET", "version"))
    except HomeportError:
        return ""
    finally:
        await connection.close()


def describe(version: Any) -> str:
    """`Docker 20.10.24` or `Podman 4.3.1`, from an answer to /version; "" if it is none."""
    if not isinstance(version, dict) or "ApiVersion" not in version:
        return ""
    parts = [part for part in version.get("Components") or [] if isinstance(part, dict)]
    podman = any("podman" in str(part.get("Name", "")).lower() for part in parts)
    number = re.match(r"[0-9.]*[0-9]", str(version.get("Version", "")))
    return f"{'Podman' if podman else 'Docker'} {number[0] if number else '(unknown version)'}"


def _is_socket(place: str) -> bool:
    try:
        return stat.S_ISSOCK(Path(place).stat().st_mode)
    except OSError:
        return False
