# SPDX-License-Identifier: Apache-2.0
"""Where a server keeps what it knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeport.cli.group import Verbs
from homeport.cli.output import put, put_json, say, table
from homeport.cli.session import Session
from homeport.errors import UsageError

if TYPE_CHECKING:
    from homeport.interfaces.transfer import Where


@click.group(cls=Verbs)
def store() -> None:
    """Where the server keeps what it knows."""


@store.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--replace", is_flag=True, help="Replace what TO holds; that of a folder is kept aside. Needs --yes.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only count what would be copied.")
@click.pass_obj
def copy_(session: Session, source: str, target: str, replace: bool, yes: bool, dry_run: bool) -> None:
    """Copy state, requests and durable steps between SQLite and PostgreSQL, and verify it.

    FROM and TO are each a state folder (or its state.db), a URL postgresql://USER@HOST/DATABASE, or env:NAME for a
    URL in a variable. No server may run on either. Agents' code and data, keys and the audit trail stay where they
    are. It is all done or not at all.
    """
    from homeport.app.copying import copy

    if replace and not yes:
        raise UsageError(
            "--replace takes away what is there", operation="store copy", hint="say that you mean it: --replace --yes"
        )
    report = copy(place(source), place(target), replacing=replace, dry_run=dry_run, progress=say)
    if session.json:
        put_json({"dry_run": dry_run, **report_of(report)})
        return
    made = {line.kind: line for line in report.made}
    rows = ((line.kind, line.count, made[line.kind].count if made else "-", line.digest[:16]) for line in report.found)
    for row in table(("WHAT", "FOUND", "COPIED", "DIGEST"), rows):
        put(row)
    total = sum(line.count for line in report.found)
    if dry_run:
        say(f"{total} would be copied from {report.source} to {report.target}; nothing was changed")
        return
    say(f"{total} copied from {report.source} to {report.target}; read back, all counts and digests are equal")
    if report.replaced:
        say(f"what was there is now in {report.replaced}")


def report_of(report: object) -> dict[str, object]:
    from homeport.model.codec import to_builtins

    plain: dict[str, object] = to_builtins(report)
    return plain


def place(text: str) -> Where:
    """Raises `UsageError` for what is none, and for a password that every process of this machine can read."""
    from homeport.interfaces.transfer import Where
    from homeport.model.database import check_database_url, is_database_url, passwords

    url = text
    if text.startswith("env:"):
        url = os.environ.get(text[4:], "")
        if not is_database_url(url):
            raise UsageError(
                f"the variable {text[4:]!r} holds no URL of a PostgreSQL database",
                operation="store copy", subject=text, hint="postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            )  # fmt: skip
    if is_database_url(url):
        check_database_url(url)
        if url is text and passwords(url):
            raise UsageError(
                "a password among the arguments can be read by everybody on this machine",
                operation="store copy",
                hint="leave it out and set PGPASSWORD or use a password file (~/.pgpass), or give env:NAME",
            )
        return Where(url=url)
    if "://" in text or not text:
        raise UsageError(
            "neither a folder nor the URL of a PostgreSQL database",
            operation="store copy", hint="a state folder, or postgresql://USER@HOST:PORT/DATABASE",
        )  # fmt: skip
    path = Path(text).expanduser().absolute()
    if path.name == "state.db" and not path.is_dir():
        path = path.parent
    elif not (path / "state.db").exists() and (path / "state" / "state.db").exists():
        path = path / "state"
    return Where(folder=path)
