# SPDX-License-Identifier: Apache-2.0
"""The agent answers: where, how to ask it, how to look at it, how to stop it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from homeport.client.gateway import gateway_url

if TYPE_CHECKING:
    from homeport.model.plan import Plan
    from homeport.settings import Settings

LONGEST_PATH = 107


def base_url(settings: Settings, status: dict[str, Any]) -> str:
    """The gateway's URL as seen from here; "" if the server does not say."""
    if settings.url:
        return gateway_url(settings, status)
    host, _, port = str(status.get("listen", {}).get("gateway", "")).rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  (no address to call, but to listen on)
    return f"http://{here}:{port}" if port else ""


def arrival(settings: Settings, status: dict[str, Any], plan: Plan, *, started: bool) -> dict[str, str]:
    """What to print once it is ready, in order; the commands work as they are on this machine."""
    name = plan.name
    health = plan.requirements.health_path
    path = f"/agent/{name}/{(health.value if health else '').lstrip('/')}"
    url = base_url(settings, status)
    found = {
        "url": f"{url}/agent/{name}/",
        "try": _curl(settings, url, path),
        "logs": f"homeport logs -f {name}",
        "stop": f"homeport stop {name}   (homeport remove {name} also deletes it)",
    }
    if started:
        ends = ", and its agents" if plan.runtime == "process" else "; containers go on, and it finds them again"
        found["server"] = f"homeport serve --stop   (ends the server, which was started for this{ends})"
    return found


def _curl(settings: Settings, url: str, path: str) -> str:
    socket = str(settings.paths.gateway_socket)
    if settings.url:
        return f'curl -H "X-Homeport-Token: $HOMEPORT_TOKEN" {shlex.quote(url + path)}'
    if len(os.fsencode(socket)) <= LONGEST_PATH:
        space = "" if settings.namespace == "default" else f"-H 'X-Homeport-Namespace: {settings.namespace}' "
        return f"curl --unix-socket {shlex.quote(socket)} {space}{shlex.quote('http://localhost' + path)}"
    token = shlex.quote(str(settings.paths.admin_token))
    return f'curl -H "X-Homeport-Token: $(cat {token})" {shlex.quote(url + path)}'
