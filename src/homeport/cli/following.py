# SPDX-License-Identifier: Apache-2.0
"""A deployment to its end: followed, cancelled by Ctrl-C, explained."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from homeport.cli.asking import held_interrupts
from homeport.cli.output import say
from homeport.errors import HomeportError, Interrupted, Unavailable, error_from_dict

if TYPE_CHECKING:
    from homeport.client import Client
    from homeport.model.deployment import Deployment
    from homeport.model.event import Event

PATIENCE_S = 60.0
"""How long a server may be away before following gives up; the deployment itself resumes with the server."""

LOOK_S = 5.0
"""Silence after which the record is looked at again."""


def deploy_and_follow(client: Client, begin: Callable[[], Deployment]) -> Deployment:
    """The deployment once it succeeded. Raises what ended it, or `Interrupted` with what Ctrl-C undid."""
    deployment: Deployment | None = None
    undone: list[str] = []
    try:
        with held_interrupts():
            deployment = begin()
        ended = _follow(client, deployment, undone)
    except KeyboardInterrupt:
        if deployment is None:
            raise Interrupted("interrupted before anything was started", operation="up") from None
        raise _cancel(client, deployment, undone) from None
    if ended.state == "succeeded":
        return ended
    error = error_from_dict(dict(ended.error or {"message": f"the deployment was {ended.state}"}))
    if undone:
        error.message += f"\nundone: {', '.join(undone)}"
    raise error


def _cancel(client: Client, deployment: Deployment, undone: list[str]) -> HomeportError:
    say("\ncancelling: waiting until what was done is undone (Ctrl-C again leaves at once)")
    try:
        client.cancel_deployment(deployment.id)
        ended = _follow(client, deployment, undone)
    except KeyboardInterrupt:
        return Interrupted(
            "left at once; the server goes on undoing",
            operation="up", subject=deployment.id, hint=f"homeport events --subject {deployment.id}",
        )  # fmt: skip
    if ended.state == "succeeded":
        return Interrupted(
            f"too late to cancel: {ended.name} is running",
            operation="up", subject=ended.name, hint=f"homeport remove {ended.name}",
        )  # fmt: skip
    if ended.state == "failed":
        return error_from_dict(dict(ended.error or {}))
    done = f"undone: {', '.join(undone)}" if undone else "nothing had been done yet"
    return Interrupted(f"cancelled; {done}", operation="up", subject=ended.name)


def _follow(client: Client, deployment: Deployment, undone: list[str]) -> Deployment:
    """Tells what happens, until the deployment has ended. A server that restarts is waited for."""
    after, heard = "", time.monotonic()
    while True:
        try:
            with client.events(after=after, follow=True, idle_s=LOOK_S, limit=200) as events:
                for event in events:
                    after, heard = event.id, time.monotonic()
                    if event.at_us < deployment.created_at_us:
                        continue
                    if event.type == "deployment.step_undone" and event.subject == deployment.id:
                        undone.append(event.message)
                    _tell(event, deployment)
                    if event.subject == deployment.id and event.type in _ENDS:
                        break
            current = client.deployment(deployment.id)
            heard = time.monotonic()
            if current.state != "running":
                return current
        except Unavailable:
            if time.monotonic() - heard > PATIENCE_S:
                raise
            time.sleep(0.2)


_ENDS = ("deployment.succeeded", "deployment.failed", "deployment.cancelled")

_PHASES = {"deployment.step_began": "… ", "deployment.step_done": "✔ ", "deployment.step_undone": "undone: "}


def _tell(event: Event, deployment: Deployment) -> None:
    if event.subject == deployment.id and event.type in _PHASES:
        say(f"  {_PHASES[event.type]}{event.message}")
    elif event.subject == deployment.name and event.type.startswith("agent."):
        say(f"    {event.type.removeprefix('agent.')}{': ' if event.message else ''}{event.message}")
