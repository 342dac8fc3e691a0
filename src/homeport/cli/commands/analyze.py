# SPDX-License-Identifier: Apache-2.0
"""Looking without doing: needs no server."""

from __future__ import annotations

from pathlib import Path

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.plans import plan_lines
from homeport.cli.proposing import plan_for, reading_of, reading_options, source_options
from homeport.cli.session import Session
from homeport.cli.showing import conclusions, source_line


@click.command(cls=Verb)
@reading_options
@click.pass_obj
def analyze(session: Session, /, source: str, **given: object) -> None:
    """What SOURCE needs, each conclusion with file, line and rule. Nothing of it is executed."""
    import asyncio

    from homeport.app.propose import examine

    found, requirements, skipped = asyncio.run(examine(source, session.settings, reading_of(given), progress=say))
    if session.json:
        put_json({"source": found, "requirements": requirements, "skipped": skipped})
        return
    put(source_line(found))
    put()
    for line in [*conclusions(requirements), *(f"left out: {reason}" for reason in skipped)]:
        put(line)
    if requirements.start is None and requirements.image is None and requirements.dockerfile is None:
        put("no start command found; looked for: " + ", ".join(requirements.looked_for))


@click.command(cls=Verb)
@source_options
@click.option("-o", "--output", metavar="FILE", help="Keep the plan; `homeport deploy --plan FILE` makes it real.")
@click.pass_obj
def plan(session: Session, /, source: str, output: str | None, **given: object) -> None:
    """What would be done with SOURCE, at what price, and why each candidate lost."""
    from homeport.model.codec import pack

    made = plan_for(session, source, given)
    if output == "-":
        put(pack(made).decode())
        return
    if output:
        Path(output).write_bytes(pack(made) + b"\n")
        say(f"kept in {output}")
    if session.json:
        put_json(made)
        return
    for line in [source_line(made.source), "", *conclusions(made.requirements), "", *plan_lines(made)]:
        put(line)
