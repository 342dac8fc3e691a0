# SPDX-License-Identifier: Apache-2.0
"""Saved plans."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from homeport.cli.group import Verb
from homeport.cli.output import say
from homeport.cli.plans import plan_lines
from homeport.cli.proposing import environment_of, environment_options
from homeport.cli.realizing import realize
from homeport.cli.session import Session
from homeport.errors import HomeportError, UsageError
from homeport.model.codec import from_builtins, unpack
from homeport.model.plan import Plan


@click.command(cls=Verb)
@click.option("--plan", "file", required=True, metavar="FILE", help="What `homeport plan -o FILE` wrote; - is stdin.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before money is spent.")
@click.option("--detach", is_flag=True, help="Do not wait until the agent answers.")
@click.option("--replace", is_flag=True, help="Put it in the place of another agent of this name.")
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
    """Make a saved plan real: exactly that one. Refused where its source has moved."""
    plan = read_plan(file)
    for line in [*plan_lines(plan), ""]:
        say(line)
    realize(session, plan, yes=yes, replace=replace, detach=detach, env=environment_of(pairs), secrets=secrets)


def read_plan(file: str) -> Plan:
    """From `plan -o` or `plan --json`. Raises `UsageError`."""
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        data = json.loads(raw)
        return unpack(raw, Plan) if isinstance(data, dict) and "kind" in data else from_builtins(data, Plan)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"cannot read a plan from {file}: {error}", operation="deploy", subject=file) from None
    except HomeportError as error:
        raise UsageError(f"{file}: {error.message}", operation="deploy", subject=file, hint=error.hint) from None
