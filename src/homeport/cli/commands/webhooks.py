# SPDX-License-Identifier: Apache-2.0
"""Webhooks: who is told of which changes of requests, and what came of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from homeport.cli.group import Verb, Verbs
from homeport.cli.output import put, put_json, say, table
from homeport.cli.session import Session
from homeport.cli.times import seconds, shown
from homeport.errors import HomeportError, NotFound, Unhealthy, UsageError

if TYPE_CHECKING:
    from homeport.model.webhook import WebhookView

_LONGEST = 200
_secret = click.option("--secret-stdin", is_flag=True, help="Read the signing secret (whsec_…) from stdin.")


class _OwnUrl(Verb):
    """Its --url is the webhook's; that of a server elsewhere goes before the verb."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [param for param in self.params if param.name != "url" or param.expose_value]


@click.group(cls=Verbs)
def webhooks() -> None:
    """Signed messages to a URL at every change of a request."""


@webhooks.command("add", cls=_OwnUrl)
@click.argument("name")
@click.option("--url", required=True, metavar="URL", help="Where to: https://…")
@click.option("--agent", default="", metavar="NAME", help="Only requests to this agent.")
@click.option("--on", "states", default="", metavar="STATES", help="Only these, as completed,failed,dead.")
@click.option("--named", is_flag=True, help="Only requests that name it in X-Homeport-Webhook.")
@_secret
@click.pass_obj
def add(session: Session, name: str, url: str, agent: str, states: str, named: bool, secret_stdin: bool) -> None:
    """Register one. Its signing secret is made and shown this once, on stdout."""
    from homeport.model.webhook import read_states

    given = _read_secret() if secret_stdin else ""
    wanted = read_states(states)
    if agent:
        _look_for(session, agent)
    made, secret = session.client.add_webhook(name, url, agent=agent, states=wanted, named=named, secret=given)
    _told(session, made, secret, given=bool(given))


@webhooks.command("list")
@click.pass_obj
def list_(session: Session) -> None:
    """All of the namespace, without their secrets."""
    found = session.client.webhooks()
    if session.json:
        put_json(found)
        return
    rows = (
        (w.name, w.agent or "all", ",".join(w.states) or "all", "named" if w.named else "all",
         _number(w.waiting), _number(w.dead), "stopped" if w.stopped else "-", w.url)
        for w in found
    )  # fmt: skip
    for line in table(("NAME", "AGENT", "ON", "REQUESTS", "WAITING", "DEAD", "STATE", "URL"), rows):
        put(line)


@webhooks.command("show")
@click.argument("name")
@click.pass_obj
def show(session: Session, name: str) -> None:
    """One of them."""
    found = session.client.webhook(name)
    if session.json:
        put_json(found)
        return
    lines = {
        "url": found.url,
        "agent": found.agent or "all",
        "on": ",".join(found.states) or "all",
        "requests": "those that name it" if found.named else "all",
        "created": shown(found.created_at_us),
        "secrets": f"{found.signing_keys} in use",
        "waiting": _number(found.waiting),
        "dead": _number(found.dead),
        "stopped": found.stopped or "no",
    }
    for key, value in lines.items():
        put(f"{key + ':':10}{value}")


@webhooks.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(session: Session, name: str, yes: bool) -> None:
    """What was not delivered yet never will be: asks where there is such. Already gone is no error."""
    if not yes:
        _ask_about_waiting(session, name)
    removed = session.client.remove_webhook(name)
    if session.json:
        put_json({"removed": removed})
    else:
        put(f"{name}: {'removed' if removed else 'there was none'}")


@webhooks.command("rotate")
@click.argument("name")
@click.option("--overlap", default="24h", metavar="TIME", help="How long the old secret signs as well. [24h]")
@_secret
@click.pass_obj
def rotate(session: Session, name: str, overlap: str, secret_stdin: bool) -> None:
    """A new signing secret, shown this once."""
    given = _read_secret() if secret_stdin else ""
    made, secret = session.client.rotate_webhook(name, secret=given, overlap_s=seconds(overlap, "--overlap"))
    _told(session, made, secret, given=bool(given))


@webhooks.command("test")
@click.argument("name")
@click.pass_obj
def test(session: Session, name: str) -> None:
    """Send a message of type webhook.test now. Exit 5 where it is not taken."""
    found = session.client.test_webhook(name)
    if session.json:
        put_json(found)
        click.get_current_context().exit(0 if found["delivered"] else Unhealthy.exit_code)
    status, said = found["status"] or "no answer", found["said"]
    if not found["delivered"]:
        raise Unhealthy(
            f"{name} did not take it: {status}: {said}", subject=name, hint=f"homeport webhooks show {name}"
        )
    put(f"{name}: taken ({status})")


@webhooks.command("deliveries")
@click.argument("name")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--waiting", is_flag=True, help="Only those that are still to be taken.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="At most so many. [100]")
@click.pass_obj
def deliveries(session: Session, name: str, failed: bool, waiting: bool, limit: int) -> None:
    """What it was told and is to be told, newest first."""
    standing = "dead" if failed else "waiting" if waiting else ""
    found = session.client.webhook_deliveries(name, standing=standing, limit=limit)
    if session.json:
        put_json(found)
        return
    rows = (
        (one["id"], one["request"], one["state"], one["delivery"], one["tries"], one["status"] or "-",
         one["next_try_at"] or one["settled_at"] or "-", one["said"][:60] or "-")
        for one in found
    )  # fmt: skip
    for line in table(("ID", "REQUEST", "STATE", "DELIVERY", "TRIES", "STATUS", "AT", "SAID"), rows):
        put(line)


@webhooks.command("retry")
@click.argument("name")
@click.argument("ids", nargs=-1)
@click.pass_obj
def retry(session: Session, name: str, ids: tuple[str, ...]) -> None:
    """Send again what was given up: these, or all. One that answered 410 Gone goes on."""
    again = session.client.retry_webhook(name, ids)
    if ids and not again:
        hint = f"homeport webhooks deliveries {name} --failed"
        raise NotFound(f"none of them was given up by {name}", operation="retry", subject=name, hint=hint)
    if session.json:
        put_json({"again": again})
    else:
        put(f"{name}: {again} are sent again")


def _look_for(session: Session, agent: str) -> None:
    """One that comes later is fine, a name that is mistyped is not: say so."""
    try:
        session.client.agent(agent)
    except NotFound:
        say(f"there is no agent {agent} as yet")
    except HomeportError:
        pass  # whoever may not look may register all the same


def _ask_about_waiting(session: Session, name: str) -> None:
    from homeport.cli.asking import confirm

    try:
        found = session.client.webhook(name)
    except NotFound:
        return
    if found.waiting != 0:
        waiting = "nobody knows how much" if found.waiting is None else f"{found.waiting} waiting"
        confirm(f"Remove {name}, with what is still to be sent ({waiting})?", yes=False)


def _read_secret() -> str:
    text = sys.stdin.read(_LONGEST + 1).strip()
    if not text or len(text) > _LONGEST:
        raise UsageError("no signing secret on stdin", subject="secret", hint="printf %s whsec_… | homeport webhooks …")
    return text


def _told(session: Session, made: WebhookView, secret: str, *, given: bool) -> None:
    if session.json:
        put_json({"webhook": made} if given else {"webhook": made, "secret": secret})
    elif given:
        put(f"{made.name}: registered")
    else:
        put(secret)
        say(f"{made.name}: keep the secret above, it is not shown again")


def _number(n: int | None) -> str:
    return "?" if n is None else str(n)
