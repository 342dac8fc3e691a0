# SPDX-License-Identifier: Apache-2.0
"""Streams: what agents print, and what happens."""

from __future__ import annotations

import time

import click

from homeport.cli.group import Verb
from homeport.cli.output import put, put_line
from homeport.cli.session import Session
from homeport.cli.times import shown, since_us


@click.command(cls=Verb)
@click.argument("name")
@click.option("-f", "--follow", is_flag=True, help="Go on with what it prints from now, until Ctrl-C.")
@click.option("--tail", type=click.IntRange(0), default=0, metavar="N", help="The last N lines; 0: all that are kept.")
@click.option("--since", metavar="TIME", help="A duration ago (10m), or an RFC 3339 time.")
@click.option("-t", "--timestamps", is_flag=True, help="Begin each line with its time.")
@click.pass_obj
def logs(session: Session, name: str, follow: bool, tail: int, since: str | None, timestamps: bool) -> None:
    """What an agent printed, oldest first. Lines that begin with "--" are Homeport's own."""
    begin = since_us(since, time.time_ns() // 1000) if since else 0
    with session.client.logs(name, tail=tail, since_us=begin, follow=follow) as lines:
        for line in lines:
            if session.json:
                put_line(line)
                continue
            stamp = f"{shown(line.at_us)} " if timestamps else ""
            put(stamp + (f"-- {line.text}" if line.stream == "sys" else line.text))
            if follow:
                _flush()


@click.command(cls=Verb)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now, until Ctrl-C.")
@click.option("--subject", default="", metavar="NAME", help="Only about this agent, deployment or request.")
@click.option("--after", default="", metavar="ID", help="Only after this event.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, metavar="N", help="The last N. [1000]")
@click.pass_obj
def events(session: Session, follow: bool, subject: str, after: str, limit: int) -> None:
    """What happened, oldest first."""
    with session.client.events(after=after, follow=follow, subject=subject, limit=limit) as found:
        for event in found:
            if session.json:
                put_line(event)
                continue
            put(f"{shown(event.at_us)}  {event.type:24}  {event.subject}  {event.message}".rstrip())
            if follow:
                _flush()


def _flush() -> None:
    import sys

    sys.stdout.flush()
