# SPDX-License-Identifier: Apache-2.0
"""Planning without doing: needs no server."""

from __future__ import annotations

import os
from pathlib import Path

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.plans import plan_lines
from homeport.cli.proposing import plan_for, source_options
from homeport.cli.session import Session
from homeport.cli.showing import conclusions, source_line


@click.command(cls=Verb)
@source_options
@click.option("-o", "--output", metavar="FILE", help="Keep the plan; `homeport apply FILE` makes it real. - is stdout.")
@click.option("--all", "every", is_flag=True, help="Show every machine that lost, and why.")
@click.pass_obj
def plan(session: Session, /, source: str, output: str | None, every: bool, **given: object) -> None:
    """What would be done with SOURCE, where and at what price, and why each other machine lost.

    Nothing is spent and nothing is executed.
    """
    from homeport.model.codec import pack

    made = plan_for(session, source, given)
    if output == "-":
        put(pack(made).decode())
        return
    if output:
        _keep(Path(output), pack(made) + b"\n")
        say(f"kept in {output}")
    if session.json:
        put_json(made)
        return
    for line in [
        source_line(made.source),
        "",
        *conclusions(made.requirements, notes=False),
        "",
        *plan_lines(made, every=every),
    ]:
        put(line)


def _keep(file: Path, content: bytes) -> None:
    """Whole, or as it was before; a pipe or a device is written to as it is."""
    from homeport.cli.filing import appearing, unwritable

    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)
            return
        real = Path(os.path.realpath(file))  # of a link, what it leads to
    except OSError as error:
        raise unwritable(file, "plan", error) from None
    with appearing(real, "plan", replace=True, mode=0o666) as out:
        out.write(content)
