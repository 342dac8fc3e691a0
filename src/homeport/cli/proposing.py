# SPDX-License-Identifier: Apache-2.0
"""From what was typed to a plan: the options, and the call that needs no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from homeport.cli.output import say
from homeport.errors import UsageError

if TYPE_CHECKING:
    from homeport.app.propose import Reading
    from homeport.cli.session import Session
    from homeport.model.plan import Plan

F = TypeVar("F", bound=Callable[..., object])

OVERRIDES = ("start", "port", "memory", "health")


def source_options(command: F) -> F:
    """SOURCE and what overrides conclusions about it."""
    for option in (
        click.option("--runtime", type=click.Choice(["auto", "process", "docker"]), help="How it runs."),
        click.option("--hours", type=click.FloatRange(0), default=0.0, help="For how long; 0: until stopped."),
        click.option("--health", metavar="PATH", help="Path that answers 2xx when the agent is well."),
        click.option("--memory", metavar="SIZE", help="Memory limit, for example 512M."),
        click.option("--port", type=click.IntRange(1, 65535), help="Port that the agent listens on."),
        click.option("--start", metavar="COMMAND", help="Start command, instead of the one concluded."),
        click.option("--name", default="", metavar="NAME", help="The agent's name; default: from the source."),
    ):
        command = option(command)
    return reading_options(command)


def reading_options(command: F) -> F:
    """SOURCE and how it is read."""
    for option in (
        click.option("--local", is_flag=True, help="Follow file:// and paths out of an agents file's folder."),
        click.option("--var", "values", multiple=True, metavar="K=V", help="What ${K} means in an agents file."),
        click.option("--agent", default="", metavar="NAME", help="Which agent of an agents file."),
        click.option("--ref", default="", metavar="REF", help="Branch, tag or commit."),
        click.argument("source"),
    ):
        command = option(command)
    return command


def reading_of(given: Mapping[str, Any], *, pull: bool = False) -> Reading:
    """From the options of `reading_options`. Raises `UsageError`."""
    from homeport.app.propose import Reading

    ref, agent = given.get("ref") or "", given.get("agent") or ""
    if ref and agent:
        raise UsageError("--ref is of a repository, --agent of an agents file: give one", operation="parse")
    values = pairs_of("--var", given.get("values") or ())
    return Reading(ref=ref or agent, values=values, local=bool(given.get("local")), pull=pull)


def overrides_of(given: Mapping[str, object]) -> dict[str, str]:
    return {key: str(given[key]) for key in OVERRIDES if given.get(key) is not None}


def plan_for(session: Session, source: str, given: Mapping[str, object], *, pull: bool = False) -> Plan:
    """Analysed and priced, with progress on stderr. `pull`: an image that is not here may be fetched.

    Raises what the stages raise.
    """
    import asyncio

    from homeport.app.propose import propose

    return asyncio.run(
        propose(
            source, session.settings, reading_of(given, pull=pull),
            name=str(given.get("name") or ""),
            overrides=overrides_of(given), hours=float(str(given.get("hours") or 0)),
            runtime=str(given.get("runtime") or ""), progress=say,
        )
    )  # fmt: skip


def environment_options(command: F) -> F:
    """What the agent finds in its environment besides what Homeport puts there."""
    for option in (
        click.option("--secret", "secrets", multiple=True, metavar="NAME", help="Give it this sealed secret, as NAME."),
        click.option("-e", "--env", "pairs", multiple=True, metavar="K=V", help="For its environment; no secrets."),
    ):
        command = option(command)
    return command


def environment_of(pairs: tuple[str, ...]) -> dict[str, str]:
    """What `-e` gives. Raises `UsageError`."""
    return pairs_of("-e", pairs)


def pairs_of(option: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """`K=V` arguments. Raises `UsageError`."""
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier() or not name.isascii():
            raise UsageError(
                f"{option} {name[:80]!r}: expected NAME=VALUE", operation="parse", hint=f"{option} MODE=fast"
            )
        found[name] = value
    return found
