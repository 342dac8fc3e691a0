# SPDX-License-Identifier: Apache-2.0
"""Which fetcher reads this locator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from homeport.errors import InvalidSource
from homeport.interfaces.fetcher import Fetcher
from homeport.model.locator import Locator, names_agents_file, names_dockerfile, recognise
from homeport.model.paths import printable


def choose_fetcher(locator: str, fetchers: Sequence[Fetcher]) -> Fetcher:
    """The first that handles it. Raises `InvalidSource`: refused, or nothing of that name, with what to do."""
    place = recognise(locator)
    for fetcher in fetchers:
        if fetcher.handles(locator):
            return fetcher
    shown = printable(locator, 80)
    message, hint = _why_none(place, locator, shown)
    raise InvalidSource(message, operation="fetch", subject=locator, hint=hint)


def _why_none(place: Locator, locator: str, shown: str) -> tuple[str, str]:
    if place.remote:
        return f"nothing here can read {shown}", "is Git missing?"
    if place.kind is not None:
        return f"nothing here can read {shown}", "give a folder, or an https address of a Git repository"
    if _is_other_file(place.address):
        return f"{shown} is a file", "give its folder, a Dockerfile, or an agents file (FILE.yaml)"
    for what, named in (("agents file", names_agents_file), ("Dockerfile", names_dockerfile)):
        if named(place.address):
            return f"there is no {what} {shown}", "give one that exists, or the folder of the agent"
    hint = "give a folder that exists, or an https address of a Git repository"
    if len(PurePath(locator).parts) == 2 and not locator.startswith((".", "/", "~")):
        hint = f"there is no such folder here; on GitHub it would be https://github.com/{shown}"
    elif "/" not in locator:
        hint += f"; an image is image:{shown}, a template template:{shown}"
    return f"there is no folder {shown}", hint


def _is_other_file(address: str) -> bool:
    try:
        return Path(address).expanduser().is_file()
    except (OSError, RuntimeError):
        return False
