# SPDX-License-Identifier: Apache-2.0
"""Engines and services that may be here: all optional."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from homeport.cli.checks import Check
from homeport.cli.checks.programs import apt, first_line, found
from homeport.client.sockets import UnixConnection

if TYPE_CHECKING:
    from homeport.settings import Settings

LLM_VARIABLES = ("HOMEPORT_LLM_URL", "OPENAI_BASE_URL", "OPENAI_API_KEY")


def checks(settings: Settings) -> list[Check]:
    return [_docker(), _node(), _llm(), _postgres_client(), _postgres_server()]


def _docker() -> Check:
    """The engine itself is asked, over its socket."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        return Check("Docker engine", False, "DOCKER_HOST is not a Unix socket: not looked at")
    socket = Path(host.removeprefix("unix://") or "/var/run/docker.sock")
    connection = UnixConnection(socket, timeout=3.0)
    try:
        connection.request("GET", "/version")
        version = json.loads(connection.getresponse().read(65536))
        return Check("Docker engine", True, f"{version['Version']} at {socket} (no driver for it in this version)")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        fix = apt("docker.io") if not socket.exists() else "sudo systemctl start docker"
        denied = isinstance(error, PermissionError)
        return Check("Docker engine", False, f"{socket}: {error} (optional)", _join_group() if denied else fix)
    finally:
        connection.close()


def _join_group() -> str:
    return "sudo usermod -aG docker $USER"


def _node() -> Check:
    ok, said = first_line("node", "--version") if found("node") else (False, "not found: Node agents cannot run")
    return Check("Node.js", ok, said, "" if ok else apt("nodejs npm"))


def _llm() -> Check:
    """Only whether one is named: no key is read, nothing is sent."""
    named = [name for name in LLM_VARIABLES if os.environ.get(name)]
    if named:
        return Check("LLM", True, f"named by {', '.join(named)} (not used in this version)")
    return Check(
        "LLM", False, "none named (optional: every decision has its rules)", "export OPENAI_BASE_URL=http://…/v1"
    )


def _postgres_client() -> Check:
    ok, said = first_line("psql", "--version") if found("psql") else (False, "not found (optional)")
    return Check("PostgreSQL client", ok, said, "" if ok else apt("postgresql-client"))


def _postgres_server() -> Check:
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if binaries:
        return Check("PostgreSQL server", True, f"{binaries[-1]} (not needed on one machine)")
    return Check("PostgreSQL server", False, "not found (optional: SQLite is built in)", apt("postgresql"))
