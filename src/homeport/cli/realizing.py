# SPDX-License-Identifier: Apache-2.0
"""A plan made real: asked for, a server found or started, deployed, followed, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeport.cli import server
from homeport.cli.arriving import arrival
from homeport.cli.asking import confirm
from homeport.cli.following import deploy_and_follow
from homeport.cli.output import put, put_json, say
from homeport.errors import UsageError

if TYPE_CHECKING:
    from homeport.cli.session import Session
    from homeport.model.plan import Plan


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
    """Prints where the agent answers. Raises what went wrong, after what was done is undone."""
    if missing := [name for name in plan.requirements.secrets if name not in secrets]:
        raise UsageError(
            f"{plan.name} asks for secrets that were not given to it: {', '.join(missing)}", operation="deploy",
            subject=plan.name, hint=f"give them with: {' '.join(f'--secret {name}' for name in missing)}",
        )  # fmt: skip
    if plan.total.micros > 0:
        confirm(f"This costs {plan.total}. Go on?", yes=yes)
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
    if session.json:
        put_json({"plan": plan, "deployment": deployment, "agent": client.agent(plan.name), **told})
        return
    put(f"{plan.name} is running")
    for what, text in told.items():
        put(f"  {what + ':':8}{text}")
