# SPDX-License-Identifier: Apache-2.0
"""Python, Git, disk, ports, our own server."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from typing import TYPE_CHECKING

from homeport.cli.checks import Check
from homeport.cli.checks.programs import apt, first_line, found
from homeport.errors import HomeportError
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.settings import Settings

LEAST_DISK = 1024**3


def checks(settings: Settings) -> list[Check]:
    running, server = _server(settings)
    return [
        Check("python", True, f"{platform.python_version()} at {sys.executable}", needed=True),
        _git(),
        _disk(settings),
        server,
        *(_port(what, address, running) for what, address in _addresses(settings)),
    ]


def _git() -> Check:
    ok, said = first_line("git", "--version") if found("git") else (False, "not found: only plain folders can be read")
    return Check("git", ok, said, "" if ok else apt("git"))


def _disk(settings: Settings) -> Check:
    folder = settings.paths.state
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    writable = os.access(there, os.W_OK)
    detail = f"{as_size(free)} free at {folder}" + ("" if writable else ", which cannot be written")
    fix = "" if writable else f"sudo chown {os.geteuid()} {there}"
    return Check("state folder", writable and free >= LEAST_DISK, detail, fix, needed=True)


def _server(settings: Settings) -> tuple[bool, Check]:
    from homeport.client import Client

    try:
        status = Client(settings).status()
    except HomeportError as error:
        return False, Check("server", False, error.message, error.hint)
    listen = status.get("listen", {})
    walls = status.get("confinement", {})
    detail = f"version {status.get('version')}, API {listen.get('api')}, gateway {listen.get('gateway')}"
    if walls:
        detail += f"; agents: {walls.get('level')}, not enforced: {'; '.join(walls.get('missing', ())) or 'nothing'}"
    return True, Check("server", True, detail, str(walls.get("hint", "")))


def _addresses(settings: Settings) -> list[tuple[str, str]]:
    return [("API port", settings.api_listen), ("gateway port", settings.gateway_listen)]


def _port(what: str, address: str, running: bool) -> Check:
    if running:
        return Check(what, True, f"{address}: held by the running server")
    host, _, port = address.rpartition(":")
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, ValueError, OverflowError) as error:
        flag = "--api-listen" if what.startswith("API") else "--gateway-listen"
        return Check(what, False, f"{address}: {error}", f"homeport serve {flag} 127.0.0.1:PORT")
    return Check(what, True, f"{address}: free")
