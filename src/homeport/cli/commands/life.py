# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, removing: several at once, each reported, the first failure decides the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

from homeport.cli.asking import confirm
from homeport.cli.group import Verb
from homeport.cli.output import clean, put, put_json, say
from homeport.cli.session import Session
from homeport.errors import HomeportError, UsageError

AT_ONCE = 16
"""Calls under way at a time: a stop lasts as long as the agent takes to end."""

F = TypeVar("F", bound=Callable[..., object])


def _names(command: F) -> F:
    every = click.option("--all", "every", is_flag=True, help="All agents of the namespace.")
    return every(click.argument("names", nargs=-1, metavar="NAME...")(command))


@click.command(cls=Verb)
@_names
@click.pass_obj
def start(session: Session, names: tuple[str, ...], every: bool) -> int:
    """Start agents that were stopped or crashed."""
    return _each(session, _chosen(session, names, every), session.client.start, "start")


@click.command(cls=Verb)
@_names
@click.pass_obj
def stop(session: Session, names: tuple[str, ...], every: bool) -> int:
    """Stop agents; their data and requests stay."""
    return _each(session, _chosen(session, names, every), session.client.stop, "stop")


@click.command(cls=Verb)
@_names
@click.pass_obj
def restart(session: Session, names: tuple[str, ...], every: bool) -> int:
    """Stop and start agents."""
    return _each(session, _chosen(session, names, every), session.client.restart, "restart")


@click.command(cls=Verb)
@_names
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--keep-data", is_flag=True, help="Keep the agent's own folder and logs.")
@click.pass_obj
def remove(session: Session, names: tuple[str, ...], every: bool, yes: bool, keep_data: bool) -> int:
    """Stop agents and remove their records, folders and logs."""
    chosen = _chosen(session, names, every)
    if chosen:
        kept = "Their data is kept." if keep_data else "Their data goes with them."
        confirm(f"Remove {', '.join(chosen)}? {kept}", yes=yes)
    return _each(session, chosen, lambda name: session.client.remove(name, keep_data=keep_data), "remove")


def _chosen(session: Session, names: tuple[str, ...], every: bool) -> list[str]:
    if every == bool(names):
        raise UsageError("name agents, or say --all", operation="parse", hint="homeport list")
    return [agent.name for agent in session.client.agents()] if every else list(dict.fromkeys(names))


_DONE = {"start": "started", "stop": "stopped", "restart": "restarted", "remove": "removed"}


def _each(session: Session, names: list[str], act: Callable[[str], Any], verb: str) -> int:
    done: list[Any] = []
    failures: dict[str, HomeportError] = {}
    for name, answer in zip(names, _at_once(names, act), strict=True):
        try:
            agent = answer()
        except HomeportError as error:
            if len(names) == 1:
                raise
            failures[name] = error
            say(f"{clean(name)}: {error.message}")
            continue
        done.append(agent or name)
        if not session.json:
            put(f"{name}: {_DONE[verb]}")
    if session.json:
        put_json({"done": done, "failed": {name: error.to_dict() for name, error in failures.items()}})
    return next(iter(failures.values())).exit_code if failures else 0


def _at_once(names: list[str], act: Callable[[str], Any]) -> Iterator[Callable[[], Any]]:
    """For each name, in order, what gives the result of `act` or raises what it raised."""
    if len(names) < 2:
        yield from (lambda name=name: act(name) for name in names)
        return
    from concurrent.futures import Future
    from queue import SimpleQueue
    from threading import Thread

    answers: list[Future[Any]] = [Future() for _ in names]
    todo: SimpleQueue[tuple[str, Future[Any]] | None] = SimpleQueue()
    workers = min(AT_ONCE, len(names))
    for item in (*zip(names, answers, strict=True), *[None] * workers):
        todo.put(item)

    def work() -> None:
        while (item := todo.get()) is not None:
            name, answer = item
            try:
                answer.set_result(act(name))
            except BaseException as error:
                answer.set_exception(error)

    for _ in range(workers):
        Thread(target=work, daemon=True).start()  # Ctrl-C does not wait for them
    yield from (answer.result for answer in answers)
