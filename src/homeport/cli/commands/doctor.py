# SPDX-License-Identifier: Apache-2.0
"""What is here, what is missing."""

from __future__ import annotations

import click

from homeport.cli.checks import all_checks
from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, table
from homeport.cli.session import Session


@click.command(cls=Verb)
@click.pass_obj
def doctor(session: Session) -> int:
    """What is here, what is missing, and the command that adds it. Changes nothing.

    Exit code 1 if something is missing that Homeport cannot do without.
    """
    found = all_checks(session.settings)
    healthy = all(check.ok for check in found if check.needed)
    if session.json:
        put_json({"ok": healthy, "checks": found})
        return 0 if healthy else 1
    for line in table(
        ("", "WHAT", "FOUND"), (("✔" if c.ok else "✘" if c.needed else "-", c.name, c.detail) for c in found)
    ):
        put(line)
    fixes = [(check.name, check.fix) for check in found if check.fix]
    if fixes:
        put("\nto add what is missing:")
        for line in table(("WHAT", "COMMAND"), fixes):
            put(f"  {line}")
    return 0 if healthy else 1
