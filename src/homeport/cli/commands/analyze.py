# SPDX-License-Identifier: Apache-2.0
"""Looking without doing: needs no server."""

from __future__ import annotations

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, say
from homeport.cli.reading import reading_of, reading_options
from homeport.cli.session import Session
from homeport.cli.showing import conclusions, source_line


@click.command(cls=Verb)
@reading_options
@click.option("--evidence", is_flag=True, help="Show all of it, with how sure each rule is.")
@click.pass_obj
def analyze(session: Session, /, source: str, evidence: bool, **given: object) -> None:
    """What SOURCE needs, each conclusion with file, line and rule. Nothing of it is executed."""
    import asyncio
    import gc

    gc.disable()  # a sixth of the time would go into looking for cycles among syntax trees, which have none
    try:
        from homeport.app.reading import examine

        found, requirements, skipped = asyncio.run(examine(source, session.settings, reading_of(given), progress=say))
    finally:
        gc.enable()
    if session.json:
        put_json({"source": found, "requirements": requirements, "skipped": skipped})
        return
    put(source_line(found))
    put()
    for line in conclusions(requirements, evidence=evidence):
        put(line)
    for reason in skipped:
        put(f"left out: {reason}")
    if requirements.start is None and requirements.image is None and requirements.dockerfile is None:
        put("no start command found; looked for: " + ", ".join(requirements.looked_for))
