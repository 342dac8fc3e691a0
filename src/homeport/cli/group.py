# SPDX-License-Identifier: Apache-2.0
"""The command groups: the lazy one on top, and the options that every verb takes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from homeport import __version__
from homeport.cli.session import Session
from homeport.cli.verbs import SECTIONS, VERBS

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def build() -> click.Group:
    """The command line, without any of its verbs' modules."""
    return LazyGroup(
        "homeport",
        params=[*shared_options(hidden=False), version_option()],
        context_settings=SETTINGS,
        help="From a repository to a running, self-healing AI agent: explained and costed before anything is spent.",
        epilog="Begin with: homeport up SOURCE (a folder, or an https Git URL). The options above go before or after "
        "the verb. Exit codes: 0 ok, 1 error, 2 usage, 3 denied, 4 no capacity, 5 unhealthy, 6 stale plan, "
        "130 interrupted.",
    )


def version_option() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            click.echo(f"homeport {__version__}")
            ctx.exit()

    text = "Print the version."
    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help=text)


class ReaderLeft(Exception):
    """Whoever read our stdout has closed it. Not an OSError: click ends the program with 1 on those."""


class LazyGroup(click.Group):
    """Knows the names and help lines of its commands from a table; imports one when it is called."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderLeft from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"homeport.cli.commands.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in SECTIONS:
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in verbs.items()], col_max=12)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(n, help=text) for n, (_, text) in VERBS.items() if n.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


class Titled(click.Option):
    """An option that stands under a title of its own in the help."""

    def __init__(self, *args: Any, title: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = title


class Verb(click.Command):
    """A command that takes the shared options too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options(hidden=True))
        self.context_settings = {**SETTINGS, **self.context_settings}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Those without a title first, then each title with its own."""
        titles: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                titles.setdefault(getattr(param, "title", "") or "Options", []).append(record)
        for title, records in titles.items():
            with formatter.section(title):
                formatter.write_dl(records)


class Verbs(click.Group):
    """A group of verbs below a verb."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options(hidden=True))
        self.context_settings = {**SETTINGS, **self.context_settings}


def shared_options(*, hidden: bool) -> list[click.Option]:
    """`hidden` leaves all but --json out of a verb's own help."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        session = ctx.ensure_object(Session)
        if value not in (None, False):
            session.given[str(param.name)] = value

    def option(*names: str, hidden: bool = hidden, **kwargs: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=keep, hidden=hidden, is_eager=True, **kwargs)

    return [
        option("--json", "as_json", is_flag=True, hidden=False, help="Print JSON: one document, or one line per item."),
        option("--verbose", is_flag=True, help="Show a traceback when something fails."),
        option("--namespace", metavar="NAME", help="Where to look. [env HOMEPORT_NAMESPACE, default: default]"),
        option("--url", metavar="URL", help="A server elsewhere; its token is read from HOMEPORT_TOKEN."),
        option("--env-file", type=click.Path(path_type=Path), metavar="FILE", help="Read HOMEPORT_* from this file."),
    ]
