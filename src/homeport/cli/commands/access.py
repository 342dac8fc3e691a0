# SPDX-License-Identifier: Apache-2.0
"""Tokens, secrets, audit."""

from __future__ import annotations

import sys

import click

from homeport.cli.group import Verbs
from homeport.cli.output import put, put_json, say, table
from homeport.cli.session import Session
from homeport.cli.times import seconds, shown
from homeport.errors import UsageError

LARGEST_SECRET = 64 * 1024


@click.group(cls=Verbs)
def token() -> None:
    """Tokens for the API and the gateway."""


@token.command("create")
@click.option("--role", type=click.Choice(["viewer", "operator", "approver", "admin", "agent"]), required=True)
@click.option("--label", default="", metavar="TEXT", help="What it is for.")
@click.option("--agent", "agents", multiple=True, metavar="NAME", help="Only this agent's data plane; may be repeated.")
@click.option("--ttl", default="0", metavar="TIME", help="How long it is valid, for example 12h; 0: for ever.")
@click.pass_obj
def create(session: Session, role: str, label: str, agents: tuple[str, ...], ttl: str) -> None:
    """Make a token. Its text is shown this once, on stdout."""
    from homeport.model.token import Role

    made, text = session.client.create_token(role=Role(role), label=label, agents=agents, ttl_s=seconds(ttl, "--ttl"))
    if session.json:
        put_json({"token": made, "text": text})
        return
    put(text)
    say(f"{made.id}: keep the text above, it is not shown again")


@token.command("list")
@click.pass_obj
def list_tokens(session: Session) -> None:
    """All tokens of the namespace, without their texts."""
    found = session.client.tokens()
    if session.json:
        put_json(found)
        return
    rows = (
        (t.id, t.role, t.label or "-", ",".join(t.agents) or "-", shown(t.created_at_us),
         "revoked" if t.revoked else shown(t.expires_at_us) if t.expires_at_us else "never")
        for t in found
    )  # fmt: skip
    for line in table(("ID", "ROLE", "LABEL", "AGENTS", "CREATED", "ENDS"), rows):
        put(line)


@token.command("revoke")
@click.argument("id")
@click.pass_obj
def revoke(session: Session, id: str) -> None:
    """From now on it is refused."""
    found = session.client.revoke_token(id)
    if session.json:
        put_json(found)
    else:
        put(f"{found.id}: revoked")


@click.group(cls=Verbs)
def secret() -> None:
    """Secrets: values go in and never come out."""


@secret.command("set")
@click.argument("name")
@click.pass_obj
def set_(session: Session, name: str) -> None:
    """Create or replace. The value is asked for on a terminal, else read from stdin; never an argument."""
    if sys.stdin.isatty():
        from getpass import getpass

        value = getpass(f"value of {name}: ", stream=sys.stderr)
    else:
        value = sys.stdin.read(LARGEST_SECRET + 1).removesuffix("\n")
    if not value or len(value) > LARGEST_SECRET:
        raise UsageError(
            f"a secret has 1 to {LARGEST_SECRET} characters",
            operation="secret set", subject=name, hint=f"printf %s VALUE | homeport secret set {name}",
        )  # fmt: skip
    session.client.put_secret(name, value)
    if session.json:
        put_json({"name": name})
    else:
        put(f"{name}: set")


@secret.command("list")
@click.pass_obj
def list_secrets(session: Session) -> None:
    """Names only."""
    names = session.client.secret_names()
    if session.json:
        put_json(names)
        return
    for name in names:
        put(name)


@secret.command("remove")
@click.argument("name")
@click.pass_obj
def remove(session: Session, name: str) -> None:
    """Already gone is no error."""
    removed = session.client.delete_secret(name)
    if session.json:
        put_json({"removed": removed})
    else:
        put(f"{name}: {'removed' if removed else 'there was none'}")


@click.group(cls=Verbs)
def audit() -> None:
    """Who did what."""


@audit.command("list")
@click.option("--after", type=click.IntRange(0), default=0, metavar="SEQ", help="Only after this entry.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, metavar="N", help="At most so many. [100]")
@click.pass_obj
def list_entries(session: Session, after: int, limit: int) -> None:
    """Entries in order."""
    entries = session.client.audit(after=after, limit=limit)
    if session.json:
        put_json(entries)
        return
    verdict = {True: "allowed", False: "denied"}
    rows = ((e.seq, shown(e.at_us), e.actor, e.action, e.subject, verdict[e.allowed]) for e in entries)
    for line in table(("SEQ", "AT", "WHO", "WHAT", "ON", "VERDICT"), rows):
        put(line)


@audit.command()
@click.pass_obj
def verify(session: Session) -> None:
    """Check the chain of hashes from the first entry to the last."""
    count = session.client.audit_verify()
    if session.json:
        put_json({"entries": count})
    else:
        put(f"{count} entries, nothing was changed")
