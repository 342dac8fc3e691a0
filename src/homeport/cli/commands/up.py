# SPDX-License-Identifier: Apache-2.0
"""The whole flow in one command."""

from __future__ import annotations

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.plans import plan_lines
from homeport.cli.proposing import environment_of, environment_options, plan_for, source_options
from homeport.cli.realizing import realize, realize_options
from homeport.cli.session import Session
from homeport.cli.showing import conclusions, source_line


@click.command(cls=Verb)
@source_options
@realize_options
@click.option("--dry-run", is_flag=True, help="Stop after the plan.")
@environment_options
@click.pass_obj
def up(
    session: Session,
    /,
    source: str,
    yes: bool,
    dry_run: bool,
    detach: bool,
    replace: bool,
    pairs: tuple[str, ...],
    secrets: tuple[str, ...],
    **given: object,
) -> None:
    """Take SOURCE (a folder or an https Git URL) to a running agent: explained and priced before anything is spent.

    Ctrl-C cancels, waits until what was done is undone, and says what that was; a second one leaves at once.
    """
    env = environment_of(pairs)
    plan = plan_for(session, source, given, pull=not dry_run)
    if dry_run and session.json:
        put_json(plan)
        return
    show = put if dry_run else say
    for line in [source_line(plan.source), "", *conclusions(plan.requirements, notes=False), "", *plan_lines(plan), ""]:
        show(line)
    if not dry_run:
        realize(session, plan, yes=yes, replace=replace, detach=detach, env=env, secrets=secrets)
