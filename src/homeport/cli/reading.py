# SPDX-License-Identifier: Apache-2.0
"""SOURCE and how it is read, from what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from homeport.errors import UsageError

if TYPE_CHECKING:
    from homeport.app.reading import Reading

F = TypeVar("F", bound=Callable[..., object])


def reading_options(command: F) -> F:
    """SOURCE and how it is read."""
    for option in (
        click.option("--local", is_flag=True, help="Follow file:// and paths out of an agents file's folder."),
        click.option("--var", "values", multiple=True, metavar="K=V", help="What ${K} means in an agents file."),
        click.option("--agent", default="", metavar="NAME", help="Which agent of an agents file."),
        click.option("--ref", default="", metavar="REF", help="Branch, tag or commit."),
        click.argument("source"),
    ):
        command = option(command)
    return command


def reading_of(given: Mapping[str, Any], *, pull: bool = False) -> Reading:
    """From the options of `reading_options`. Raises `UsageError`."""
    from homeport.app.reading import Reading

    ref, agent = given.get("ref") or "", given.get("agent") or ""
    if ref and agent:
        raise UsageError("--ref is of a repository, --agent of an agents file: give one", operation="parse")
    values = pairs_of("--var", given.get("values") or ())
    return Reading(ref=ref or agent, values=values, local=bool(given.get("local")), pull=pull)


def pairs_of(option: str, pairs: tuple[str, ...]) -> dict[str, str]:
    """`K=V` arguments. Raises `UsageError`."""
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.isidentifier() or not name.isascii():
            raise UsageError(
                f"{option} {name[:80]!r}: expected NAME=VALUE", operation="parse", hint=f"{option} MODE=fast"
            )
        found[name] = value
    return found
