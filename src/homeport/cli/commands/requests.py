# SPDX-License-Identifier: Apache-2.0
"""The journal."""

from __future__ import annotations

import click

from homeport.cli.group import Verbs
from homeport.cli.output import put, put_json, table
from homeport.cli.session import Session


@click.group(cls=Verbs)
def requests() -> None:
    """Requests in the journal."""


@requests.command("list")
@click.option("--agent", default="", metavar="NAME", help="Only of this agent.")
@click.option("--state", default="", metavar="STATE", help="pending, in_flight, completed, failed or dead.")
@click.option("--after", default="", metavar="ID", help="Continue after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="At most so many. [100]")
@click.pass_obj
def list_(session: Session, agent: str, state: str, after: str, limit: int) -> None:
    """Newest first."""
    found = session.client.requests(agent=agent, state=state, after=after, limit=limit)
    if session.json:
        put_json(found)
        return
    keys = ("id", "agent", "method", "target", "state", "attempts", "status", "accepted_at", "outcome")
    rows = [["-" if request.get(key) in (None, "") else request.get(key) for key in keys] for request in found]
    for line in table([key.replace("_", " ").upper() for key in keys], rows):
        put(line)


@requests.command()
@click.argument("id")
@click.pass_obj
def show(session: Session, id: str) -> None:
    """One request: headers with credentials redacted, bodies up to 64 KiB, the stored answer."""
    put_json(session.client.request(id))


@requests.command()
@click.argument("id")
@click.pass_obj
def replay(session: Session, id: str) -> None:
    """Send it again."""
    found = session.client.replay(id)
    if session.json:
        put_json(found)
    else:
        put(f"{id}: {found.get('state', 'pending')}")
