# SPDX-License-Identifier: Apache-2.0
"""The journal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from homeport.cli.group import Verbs
from homeport.cli.output import put, put_json, put_line, say, table
from homeport.cli.session import Session
from homeport.errors import Conflict, Denied, NotFound

if TYPE_CHECKING:
    from homeport.model.kept import Wanted

F = TypeVar("F", bound=Callable[..., Any])
_COLUMNS = ("id", "agent", "method", "target", "state", "attempts", "status", "accepted_at", "outcome")


class RequestVerbs(Verbs):
    """Under the name `agentainer` the agent comes first: `requests AGENT [list|show|replay|clear]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = next((n for n, word in enumerate(args) if not word.startswith("-")), None)
        if ctx.find_root().info_name == "agentainer" and place is not None and args[place] not in self.commands:
            agent = args.pop(place)
            verb = args.pop(place) if place < len(args) and args[place] in self.commands else "list"
            args[place:place] = [verb, f"--agent={agent}"]
        return super().parse_args(ctx, args)


@click.group(cls=RequestVerbs)
def requests() -> None:
    """Requests in the journal."""


def filters(command: F) -> F:
    """The options that say which requests, all but --state."""
    options: tuple[Callable[[Any], Any], ...] = (
        click.option("--until", default="", metavar="TIME", help="Only those accepted before this time."),
        click.option("--since", default="", metavar="TIME", help="A duration ago (10m), or an RFC 3339 time."),
        click.option("--key", default="", metavar="KEY", help="Only that of this Idempotency-Key."),
        click.option("--status", type=click.IntRange(1, 599), metavar="N", help="Of the answer: 503, or 5 for 5xx."),
        click.option("--method", default="", metavar="METHOD", help="Only of this method."),
        click.option("--agent", default="", metavar="NAME", help="Only of this agent."),
    )
    for option in options:
        command = option(command)
    return command


def wanted(state: str = "", **given: Any) -> Wanted:
    from homeport.cli.times import since_us
    from homeport.model.kept import Wanted

    now_us = time.time_ns() // 1000
    since, until = (since_us(given[name], now_us) if given[name] else 0 for name in ("since", "until"))
    method = given["method"].upper()
    return Wanted(given["agent"], state, method, given["key"], given["status"] or 0, since, until)


@requests.command("list")
@filters
@click.option("--state", default="", metavar="STATE", help="pending, in_flight, completed, failed or dead.")
@click.option("--after", default="", metavar="ID", help="Continue after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="At most so many. [100]")
@click.pass_obj
def list_(session: Session, /, after: str, limit: int, **which: Any) -> None:
    """Newest first."""
    _listed(session, wanted(**which), after, limit)


@requests.command()
@click.argument("id")
@click.option("--agent", default="", hidden=True)
@click.pass_obj
def show(session: Session, id: str, agent: str) -> None:
    """One request: headers with credentials redacted, bodies up to 64 KiB, the stored answer.

    Who may not read bodies sees the rest.
    """
    _show(session, id, agent)


@requests.command()
@click.argument("id")
@click.option("--agent", default="", hidden=True)
@click.pass_obj
def replay(session: Session, id: str, agent: str) -> None:
    """Send it again, also one that was answered: the new answer takes the place of the one that is stored."""
    if agent:
        _check_agent(session.client.request(id, bodies=False), agent)
    _replayed(session, session.client.replay(id))


@requests.command()
@filters
@click.option("--state", default="", metavar="STATE", help="Only pending, in_flight, completed, failed or dead ones.")
@click.pass_obj
def tail(session: Session, /, **which: Any) -> None:
    """Requests as they come, and again at each change of their state, until Ctrl-C."""
    with session.client.tail_requests(wanted(**which)) as found:
        for one in found:
            if session.json:
                put_line(one)
            else:
                status = "" if one.get("status") is None else f" {one['status']}"
                put(f"{one['accepted_at']}  {one['id']}  {one['agent']}  {one['state']}{status}  "
                    f"{one['method']} {one['target']}  {one.get('outcome') or ''}".rstrip())  # fmt: skip
                sys.stdout.flush()


@requests.command()
@filters
@click.option("--state", default="", metavar="STATE", help="Only pending, in_flight, completed, failed or dead ones.")
@click.option("--bodies", is_flag=True, help="With bodies in base64, up to 1 MiB of each.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A new file, or - for stdout.",
)
@click.pass_obj
def export(session: Session, /, bodies: bool, output: Path | None, **which: Any) -> None:
    """Requests as lines of JSON, oldest first. The file appears when it is whole; every export is audited."""
    from homeport.cli.filing import write_lines

    found = session.client.export_requests(wanted(**which), bodies=bodies)
    if output is None or output == Path("-"):
        for one in found:
            put_line(one)
        return
    say(f"{write_lines(found, output)} requests in {output}")


@requests.command()
@filters
@click.option("--state", "states", multiple=True, type=click.Choice(["completed", "failed", "dead"]),
              help="Only of this state; may be repeated. [completed and failed]")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.pass_obj
def clear(session: Session, /, states: tuple[str, ...], yes: bool, dry_run: bool, **which: Any) -> None:
    """Remove requests that are over, with their answers and keys. What is pending or in flight stays."""
    chosen = states or ("completed", "failed")
    if dry_run:
        _counted(session, sum(len(_ids(session, replace(wanted(**which), state=state))) for state in chosen))
        return
    _clear(session, chosen, wanted(**which), yes, "Remove")


@requests.group(cls=Verbs)
def dead() -> None:
    """Dead letters: given up, most of them with an unknown outcome. A person decides."""


@dead.command("list")
@filters
@click.option("--after", default="", metavar="ID", help="Continue after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, metavar="N", help="At most so many. [100]")
@click.pass_obj
def dead_list(session: Session, /, after: str, limit: int, **which: Any) -> None:
    """Newest first, with why each was given up."""
    _listed(session, wanted("dead", **which), after, limit)


@dead.command("show")
@click.argument("id")
@click.pass_obj
def dead_show(session: Session, id: str) -> None:
    """One dead letter: headers with credentials redacted, bodies up to 64 KiB, the last answer if there was one."""
    _is_dead(session, id)
    _show(session, id)


@dead.command("replay")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that the filters leave, oldest first.")
@filters
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def dead_replay(session: Session, /, ids: tuple[str, ...], everything: bool, yes: bool, **which: Any) -> None:
    """Send dead letters again: what was done already may be done twice."""
    for id in _chosen(session, ids, everything, wanted("dead", **which), yes, "Send again"):
        try:
            _replayed(session, session.client.replay(id), several=True)
        except (Conflict, NotFound) as error:
            if not everything:
                raise
            say(f"{id}: {error.message}")  # somebody else was faster


@dead.command("drop")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that the filters leave.")
@filters
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@click.pass_obj
def dead_drop(
    session: Session, /, ids: tuple[str, ...], everything: bool, yes: bool, dry_run: bool, **which: Any
) -> None:
    """Remove dead letters for good."""
    if dry_run:
        _counted(session, len(_chosen(session, ids, everything, wanted("dead", **which), yes=True, verb="Drop")))
        return
    if everything:
        _chosen(session, ids, everything, wanted("dead", **which), yes=True, verb="")
        _clear(session, ("dead",), wanted("dead", **which), yes, "Drop")
        return
    for id in _chosen(session, ids, everything, wanted("dead", **which), yes, "Drop"):
        session.client.drop(id)
        if session.json:
            put_line({"id": id, "removed": True})
        else:
            put(f"{id}: dropped")


def _listed(session: Session, which: Wanted, after: str, limit: int) -> None:
    found = session.client.requests(wanted=which, after=after, limit=limit)
    if session.json:
        put_json(found)
        return
    rows = [["-" if request.get(key) in (None, "") else request.get(key) for key in _COLUMNS] for request in found]
    for line in table([key.replace("_", " ").upper() for key in _COLUMNS], rows):
        put(line)


def _clear(session: Session, states: tuple[str, ...], which: Wanted, yes: bool, verb: str) -> None:
    from homeport.cli.asking import confirm

    of = f" of {which.agent}" if which.agent else " of every agent"
    narrowed = " that fit" if any(name not in ("agent", "state") for name in which.query()) else ""
    confirm(f"{verb} {' and '.join(states)} requests{of}{narrowed}, with their answers?", yes=yes)
    removed = sum(session.client.clear_requests(replace(which, state=state)) for state in states)
    if session.json:
        put_json({"removed": removed})
    else:
        put(f"{removed} removed")


def _chosen(session: Session, ids: tuple[str, ...], everything: bool, which: Wanted, yes: bool, verb: str) -> list[str]:
    """The dead letters meant, oldest first; each one is dead now. Asks before all of them."""
    from homeport.cli.asking import confirm
    from homeport.model.kept import ALL

    narrowed = which.query().keys() - {"state"}
    if everything == bool(ids) or (narrowed and not everything) or which == ALL:
        raise click.UsageError("give the ids of dead letters, or --all with filters")
    if not everything:
        for id in ids:
            _is_dead(session, id)
        return list(ids)
    if not verb:
        return []
    found = _ids(session, which)
    if found:
        confirm(f"{verb} {len(found)} dead letter{'s' if len(found) > 1 else ''}?", yes=yes)
    else:
        say("no dead letter fits")
    return found[::-1]


def _ids(session: Session, which: Wanted) -> list[str]:
    """Of all that fit, newest first."""
    found: list[str] = []
    while page := session.client.requests(wanted=which, after=found[-1] if found else "", limit=1000):
        found += [one["id"] for one in page]
    return found


def _counted(session: Session, number: int) -> None:
    if session.json:
        put_json({"would_remove": number})
    else:
        put(f"{number} would be removed")


def _is_dead(session: Session, id: str) -> None:
    if (state := session.client.request(id, bodies=False)["state"]) != "dead":
        raise Conflict(f"{id} is {state}, not dead", operation="dead", subject=id, hint=f"homeport requests show {id}")


def _show(session: Session, id: str, agent: str = "") -> None:
    from homeport.cli.requested import sheet

    try:
        found = session.client.request(id)
    except Denied as denied:
        found = session.client.request(id, bodies=False)
        say(f"without bodies: {denied.message}")
    _check_agent(found, agent)
    if session.json:
        put_json(found)
        return
    for line in sheet(found):
        put(line)


def _replayed(session: Session, found: dict[str, Any], *, several: bool = False) -> None:
    if session.json:
        (put_line if several else put_json)(found)
    else:
        put(f"{found['id']}: {found.get('state', 'pending')}")


def _check_agent(found: dict[str, Any], agent: str) -> None:
    if agent and found.get("agent") != agent:
        raise NotFound(f"{agent} has no request {found.get('id')!r}", hint=f"agentainer requests {agent}")
