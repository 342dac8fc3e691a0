# SPDX-License-Identifier: Apache-2.0
"""Looking at agents."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from homeport.cli.arriving import base_url
from homeport.cli.group import Verb
from homeport.cli.output import put, put_json, put_line, say, table
from homeport.cli.session import Session
from homeport.cli.times import shown
from homeport.errors import Unavailable
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.model.agent import Agent

_HEALTH = {"running": "healthy", "unhealthy": "unhealthy"}


@click.command("list", cls=Verb)
@click.option("-w", "--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
@click.pass_obj
def list_(session: Session, watch: bool) -> None:
    """Agents with their state, queue, cost and URL."""
    while True:
        rows = _rows(session)
        if session.json and watch:
            put_line(rows)
        elif session.json:
            put_json(rows)
        else:
            if watch and sys.stdout.isatty():
                print("\x1b[H\x1b[2J", end="")
            head = ("NAME", "TARGET", "STATUS", "HEALTH", "QUEUE", "COST/H", "ENDS", "URL")
            for line in table(head, ([_cell(row[key]) for key in row if key != "detail"] for row in rows)):
                put(line)
            sys.stdout.flush()
        if not watch:
            return
        time.sleep(1.0)


def _rows(session: Session) -> list[dict[str, object]]:
    client = session.client
    agents = client.agents()
    waiting = _waiting(session)
    gateway = base_url(session.settings, client.status()) if agents else ""
    return [
        {
            "name": agent.name,
            "target": _target(agent),
            "status": agent.state.value,
            "health": _HEALTH.get(agent.state, "-"),
            "queue": None if waiting is None else waiting[agent.name],
            "cost_per_hour": "$0.00" if _target(agent) == "local" else "?",
            "ends": "never" if _target(agent) == "local" else "?",
            "url": f"{gateway}/agent/{agent.name}/" if gateway else "-",
            "detail": agent.detail,
        }
        for agent in agents
    ]


def _waiting(session: Session) -> Counter[str] | None:
    """Requests by agent; None while the journal cannot be asked, which hides no agent."""
    states, ask = ("pending", "in_flight"), session.client.requests
    try:
        return Counter(request["agent"] for state in states for request in ask(state=state, limit=1000))
    except Unavailable as error:
        say(f"note: {error.message}")
        return None


def _cell(value: object) -> object:
    return "?" if value is None else value


def _target(agent: Agent) -> str:
    """This machine costs nothing and has no end; any other is named by its id."""
    return "local" if agent.machine.partition("-")[0] in ("", "local") else agent.machine


@click.command(cls=Verb)
@click.argument("name")
@click.pass_obj
def inspect(session: Session, name: str) -> None:
    """Everything known about an agent."""
    agent = session.client.agent(name)
    if session.json:
        put_json(agent)
        return
    load = agent.workload
    facts = {
        "name": agent.name,
        "id": agent.id,
        "namespace": agent.namespace,
        "state": f"{agent.state.value} (wanted: {agent.desired.value})",
        "detail": agent.detail or "-",
        "source": f"{agent.source.locator} {agent.source.commit or agent.source.digest}",
        "machine": agent.machine or "-",
        "plan": agent.plan or "-",
        "instance": agent.instance_id or "-",
        "restarts": agent.restarts,
        "last exit": f"{agent.last_exit.reason()}, {shown(agent.last_exit.at_us)}" if agent.last_exit else "-",
        "start": " ".join(load.start),
        "port": load.port,
        "health": f"GET {load.health.path} every {load.health.interval:g} s",
        "delivery": load.delivery.value + (", honours keys" if load.honours_keys else ""),
        "memory": as_size(load.limits.memory_bytes) if load.limits.memory_bytes else "no limit",
        "env": ", ".join(sorted(load.env)) or "-",
        "secrets": ", ".join(load.secrets) or "-",
        "created": shown(agent.created_at_us),
        "changed": shown(agent.changed_at_us),
    }
    for line in table(("WHAT", "VALUE"), facts.items()):
        put(line)
