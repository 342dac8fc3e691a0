# SPDX-License-Identifier: Apache-2.0
"""A plan made real: asked for, a server found or started, deployed, followed, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import click

from homeport.cli import server
from homeport.cli.arriving import arrival
from homeport.cli.asking import confirm
from homeport.cli.following import deploy_and_follow
from homeport.cli.output import put, put_json, say
from homeport.cli.plans import choice
from homeport.errors import UsageError

F = TypeVar("F", bound=Callable[..., object])

if TYPE_CHECKING:
    from homeport.cli.session import Session
    from homeport.model.plan import Plan


def realize_options(command: F) -> F:
    for option in (
        click.option("--replace", is_flag=True, help="Put it in the place of another agent of this name."),
        click.option("--detach", is_flag=True, help="Do not wait until the agent answers."),
        click.option("-y", "--yes", is_flag=True, help="Do not ask before money is spent."),
    ):
        command = option(command)
    return command


def realize(
    session: Session,
    plan: Plan,
    *,
    yes: bool,
    replace: bool,
    detach: bool,
    env: dict[str, str],
    secrets: tuple[str, ...],
) -> None:
    """Prints where the agent answers. Raises what went wrong, after what was done is undone.

    The user's hooks are called here, in the process that asked; those after the launch not with `detach`, since nobody
    waits for it.
    """
    from homeport.app.extensions import load_extensions

    _check(session, plan, secrets)
    if plan.chosen.hourly.micros > 0 or not plan.chosen.priced:
        confirm(f"{choice(plan)} Go on?", yes=yes)
    extensions = load_extensions(session.settings.paths.plugins)
    _note(extensions.troubles)
    extensions.before_launch(plan)
    client = session.client
    started = server.ensure(client)
    if detach:
        deployment = client.deploy(plan, replace=replace, env=env, secrets=secrets)
        if session.json:
            put_json({"plan": plan, "deployment": deployment})
        else:
            put(f"{deployment.id}")
            say(f"deploying; see `homeport events -f --subject {deployment.id}`")
        return
    deployment = deploy_and_follow(client, lambda: client.deploy(plan, replace=replace, env=env, secrets=secrets))
    told = arrival(session.settings, client.status(), plan, started=started)
    if extensions.loaded:
        machine = client.agent(plan.name).machine
        _note(extensions.after_launch(plan, server_id=machine, url=told["url"]))
    if session.json:
        put_json({"plan": plan, "deployment": deployment, "agent": client.agent(plan.name), **told})
        return
    put(f"{plan.name} is running")
    for what, text in told.items():
        put(f"  {what + ':':8}{text}")


def _check(session: Session, plan: Plan, secrets: tuple[str, ...]) -> None:
    """Before anything is asked or done. Raises what keeps the plan from being made real here."""
    from homeport.app.applying import check_programs, check_target
    from homeport.flow import check_start

    check_target(plan, session.settings)
    check_start(plan)
    check_programs(plan, session.settings)
    if missing := [name for name in plan.requirements.secrets if name not in secrets]:
        raise UsageError(
            f"{plan.name} asks for secrets that were not given to it: {', '.join(missing)}", operation="deploy",
            subject=plan.name, hint=f"give them with: {' '.join(f'--secret {name}' for name in missing)}",
        )  # fmt: skip


def _note(warnings: Iterable[str]) -> None:
    for warning in warnings:
        say(f"note: {warning}")
