# SPDX-License-Identifier: Apache-2.0
"""Which fetcher reads this locator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from homeport.errors import InvalidSource
from homeport.interfaces.fetcher import Fetcher
from homeport.model.locator import recognise
from homeport.model.paths import printable


def choose_fetcher(locator: str, fetchers: Sequence[Fetcher]) -> Fetcher:
    """The first that handles it. Raises `InvalidSource`: refused, or no such folder, with what to do."""
    place = recognise(locator)
    for fetcher in fetchers:
        if fetcher.handles(locator):
            return fetcher
    shown = printable(locator, 80)
    if place.remote:
        raise InvalidSource(
            f"nothing here can read {shown}", operation="fetch", subject=locator, hint="is Git missing?"
        )
    hint = "give a folder that exists, or an https address of a Git repository"
    if len(PurePath(locator).parts) == 2 and not locator.startswith((".", "/", "~")):
        hint = f"there is no such folder here; on GitHub it would be https://github.com/{shown}"
    raise InvalidSource(f"there is no folder {shown}", operation="fetch", subject=locator, hint=hint)
