# SPDX-License-Identifier: Apache-2.0
"""About the server and this program."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

import click

from homeport import __version__
from homeport.cli import server
from homeport.cli.group import Verb, Verbs, build
from homeport.cli.output import put, put_json
from homeport.cli.session import Session
from homeport.errors import UsageError


@click.command(cls=Verb)
@click.pass_obj
def status(session: Session) -> None:
    """The running server: processes, addresses, what it confines."""
    found = session.client.status()
    if session.json:
        put_json(found)
        return
    for line in _lines(found, ""):
        put(line)


def _lines(data: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{key}: {', '.join(str(item) for item in value) or '-'}"
        elif value not in ("", None):
            yield f"{indent}{key}: {value}"


@click.command(cls=Verb)
@click.pass_obj
def version(session: Session) -> None:
    """Print the version of this program."""
    if session.json:
        put_json({"version": __version__, "python": platform.python_version(), "platform": platform.platform()})
    else:
        put(f"homeport {__version__}")


@click.group("server", cls=Verbs)
def server_() -> None:
    """The server of this machine."""


server_.add_command(status)


@server_.command("restart")
@click.argument("process", type=click.Choice(["gateway"]))
@click.pass_obj
def restart(session: Session, process: str) -> None:
    """Replace the gateway by a fresh one under load, for example after an upgrade: nobody is refused.

    Requests in flight have ten seconds to end, new ones wait for the new gateway; agents are not touched. Streams,
    WebSockets and what takes longer are cut so that their clients see it.
    """
    if session.settings.url:
        raise UsageError("only on the machine that the server runs on", operation="restart", hint="leave out --url")
    found = server.restart(session.settings, process)
    new = found["processes"][process]
    if session.json:
        put_json({"process": process, **new})
    else:
        put(f"the {process} was replaced (pid {new['pid']})")


@server_.command("rotate")
@click.argument("what", type=click.Choice(["journal-key"]))
@click.pass_obj
def rotate(session: Session, what: str) -> None:
    """Make a new key for the bodies of requests that are kept encrypted from now on, on every gateway.

    What is kept already stays readable: each body names the key it was encrypted with.
    """
    from asyncio import run

    from homeport.gateway.control_client import GatewayControl

    if session.settings.url:
        raise UsageError("only on the machine that the server runs on", operation="rotate", hint="leave out --url")
    key = run(GatewayControl(session.settings.paths.gateway_socket).rotate_key())
    if session.json:
        put_json({"rotated": what, "key": key})
    else:
        put(f"new bodies are encrypted with key {key}")


@click.command(cls=Verb)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL, for example: homeport completion bash > ~/.homeport-complete"""
    from click.shell_completion import ShellComplete, get_completion_class

    program = ctx.find_root().info_name or "homeport"
    found = get_completion_class(shell)
    assert found is not None
    script = found(build(), {}, program, f"_{program.upper()}_COMPLETE")
    put(ShellComplete.source(script))
