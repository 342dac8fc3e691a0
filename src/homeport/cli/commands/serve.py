# SPDX-License-Identifier: Apache-2.0
"""The server of this machine."""

from __future__ import annotations

import click

from homeport.cli import server
from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.session import Session
from homeport.errors import UsageError


@click.command(cls=Verb)
@click.option("--api-listen", metavar="HOST:PORT", help="The management API. [127.0.0.1:8080]")
@click.option("--gateway-listen", metavar="HOST:PORT", help="The data plane. [127.0.0.1:8081]")
@click.option(
    "--idle-exit", type=click.FloatRange(0), metavar="S", help="End S seconds after the last agent; 0: never."
)
@click.option("--detach", is_flag=True, help="Run it in the background; returns when it answers.")
@click.option("--stop", "ends", is_flag=True, help="End the one that runs, and its agents.")
@click.pass_obj
def serve(session: Session, /, detach: bool, ends: bool, **flags: object) -> None:
    """Run keeper, gateway and API, in the foreground until Ctrl-C. Loopback only, unless told otherwise."""
    session.given.update({key: value for key, value in flags.items() if value is not None})
    settings = session.settings
    if detach and ends:
        raise UsageError("--detach and --stop exclude each other", operation="parse")
    if ends:
        pid = server.stop(settings)
        put_json({"stopped": pid}) if session.json else put(f"stopped (pid {pid})")
        return
    if not detach:
        say(f"starting: API http://{settings.api_listen}, gateway http://{settings.gateway_listen}")
        say(
            f"logs in {settings.paths.logs}, admin token in {settings.paths.admin_token}; Ctrl-C ends it and its agents"
        )
        server.replace_with_server(settings)
    pid = server.start(settings)
    listen = session.client.status().get("listen", {})
    told = {
        "pid": pid,
        "api": f"http://{listen.get('api', settings.api_listen)}",
        "docs": f"http://{listen.get('api', settings.api_listen)}/docs",
        "gateway": f"http://{listen.get('gateway', settings.gateway_listen)}",
        "log": str(settings.paths.logs / "serve.log"),
        "admin_token": str(settings.paths.admin_token),
    }
    if session.json:
        put_json(told)
        return
    for what, value in told.items():
        put(f"{what.replace('_', ' ') + ':':13}{value}")
    put("stop:        homeport serve --stop")
