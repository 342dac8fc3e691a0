# SPDX-License-Identifier: Apache-2.0
"""A deployment to its end: followed, cancelled by Ctrl-C, explained."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from homeport.cli.asking import held_interrupts
from homeport.cli.output import say
from homeport.cli.server import revive
from homeport.errors import HomeportError, Interrupted, Unavailable, error_from_dict

if TYPE_CHECKING:
    from homeport.client import Client
    from homeport.model.deployment import Deployment
    from homeport.model.event import Event

PATIENCE_S = 60.0
"""How long a server may be away before following gives up; the deployment itself resumes with the server."""

LOOK_S = 5.0
"""Silence after which the record is looked at again."""


_ENDS = ("deployment.succeeded", "deployment.failed", "deployment.cancelled")

_PHASES = {"deployment.step_began": "… ", "deployment.step_done": "✔ ", "deployment.step_undone": "undone: "}


def deploy_and_follow(client: Client, begin: Callable[[], Deployment]) -> Deployment:
    """The deployment once it succeeded. Raises what ended it, or `Interrupted` with what Ctrl-C undid."""
    story: _Story | None = None
    try:
        with held_interrupts():
            story = _Story(client, begin())
        ended = story.to_its_end()
    except KeyboardInterrupt:
        if story is None:
            raise Interrupted("interrupted before anything was started", operation="up") from None
        raise _cancelled(client, story) from None
    if ended.state == "succeeded":
        return ended
    error = error_from_dict(dict(ended.error or {"message": f"the deployment was {ended.state}"}))
    if story.undone:
        error.message += f"\nundone: {', '.join(story.undone)}"
    raise error


def _cancelled(client: Client, story: _Story) -> HomeportError:
    """Cancel, wait until everything is undone; the error that says how that went."""
    deployment = story.deployment
    try:
        say("\ncancelling: waiting until what was done is undone (Ctrl-C again leaves at once)")
        client.cancel_deployment(deployment.id)
        ended = story.to_its_end()
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
    done = f"undone: {', '.join(story.undone)}" if story.undone else "nothing had been done yet"
    return Interrupted(f"cancelled; {done}", operation="up", subject=ended.name)


class _Story:
    """What happens to one deployment, told once, also over interruptions of ours and restarts of the server."""

    def __init__(self, client: Client, deployment: Deployment) -> None:
        self.client, self.deployment = client, deployment
        self.undone: list[str] = []
        self._after = ""

    def to_its_end(self) -> Deployment:
        """The record once it has ended. Raises `Unavailable` when the server stays away."""
        heard = time.monotonic()
        while True:
            try:
                self._listen()
                current = self.client.deployment(self.deployment.id)
                heard = time.monotonic()
                if current.state != "running":
                    return current
            except Unavailable:
                away = time.monotonic() - heard
                if away > PATIENCE_S:
                    raise
                if away > 1:
                    revive(self.client)
                time.sleep(0.2)

    def _listen(self) -> None:
        """Until the end is announced, the server stops, or nothing was heard for a while."""
        with self.client.events(after=self._after, follow=True, idle_s=LOOK_S, limit=200) as events:
            for event in events:
                self._after = event.id
                if event.at_us >= self.deployment.created_at_us:
                    self._tell(event)
                if event.subject == self.deployment.id and event.type in _ENDS:
                    return

    def _tell(self, event: Event) -> None:
        if event.subject == self.deployment.id and event.type in _PHASES:
            say(f"  {_PHASES[event.type]}{event.message}")
            if event.type == "deployment.step_undone":
                self.undone.append(event.message)
        elif event.subject == self.deployment.name and event.type.startswith("agent."):
            say(f"    {event.type.removeprefix('agent.')}{': ' if event.message else ''}{event.message}")
