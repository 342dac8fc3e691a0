# SPDX-License-Identifier: Apache-2.0
"""Plans that were kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.plans import plan_lines
from homeport.cli.proposing import environment_of, environment_options
from homeport.cli.realizing import realize, realize_options
from homeport.cli.session import Session
from homeport.errors import UsageError
from homeport.model.plan import Plan

DRY = "Only say whether the plan still holds: exit code 0, or 6 with what moved."


@click.command(cls=Verb)
@click.argument("file")
@realize_options
@click.option("--dry-run", is_flag=True, help=DRY)
@environment_options
@click.pass_obj
def apply(
    session: Session,
    /,
    file: str,
    yes: bool,
    detach: bool,
    replace: bool,
    dry_run: bool,
    pairs: tuple[str, ...],
    secrets: tuple[str, ...],
) -> None:
    """Make the plan in FILE real: exactly that one. FILE is what `homeport plan -o` wrote; - is stdin.

    The source is read again and prices are asked for again before anything is done: where commit, files, price,
    properties or availability moved, it is refused, a line for each, with exit code 6.
    """
    _apply(session, file, yes=yes, detach=detach, replace=replace, dry_run=dry_run, pairs=pairs, secrets=secrets)


@click.command(cls=Verb)
@click.option("--plan", "file", required=True, metavar="FILE", help="What `homeport plan -o FILE` wrote; - is stdin.")
@realize_options
@environment_options
@click.pass_obj
def deploy(
    session: Session,
    /,
    file: str,
    yes: bool,
    detach: bool,
    replace: bool,
    pairs: tuple[str, ...],
    secrets: tuple[str, ...],
) -> None:
    """The same as `homeport apply FILE`."""
    _apply(session, file, yes=yes, detach=detach, replace=replace, dry_run=False, pairs=pairs, secrets=secrets)


def _apply(
    session: Session, file: str, *, yes: bool, detach: bool, replace: bool, dry_run: bool, pairs: tuple[str, ...],
    secrets: tuple[str, ...],
) -> None:  # fmt: skip
    import asyncio

    from homeport.app.applying import check_holds, check_target

    env = environment_of(pairs)
    plan = _read(file)
    if not dry_run:
        check_target(plan, session.settings)
    say("reading the source and the prices again ...")
    asyncio.run(check_holds(plan, session.settings, progress=say))
    if dry_run:
        if session.json:
            put_json(plan)
        else:
            put(f"the plan for {plan.name} holds: {plan.id}")
        return
    for line in [*plan_lines(plan), ""]:
        say(line)
    realize(session, plan, yes=yes, replace=replace, detach=detach, env=env, secrets=secrets)


def _read(file: str) -> Plan:
    from homeport.app.applying import LARGEST, read_plan

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", operation="apply", subject=file) from None
    try:
        return read_plan(raw)
    except UsageError as error:
        raise UsageError(f"{file}: {error.message}", operation="apply", subject=file, hint=error.hint) from None
