# SPDX-License-Identifier: Apache-2.0
"""A look at what somebody typed: no server, no account, nothing executed. Planning, which takes more, is not here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homeport.app.compose import fetchers
from homeport.app.engine import LazyImages
from homeport.look import judge
from homeport.model.locator import plain_path
from homeport.source import choose_fetcher

if TYPE_CHECKING:
    from homeport.interfaces.fetcher import FileView, Progress
    from homeport.model.requirements import Requirements
    from homeport.model.source import Source
    from homeport.settings import Settings


@dataclass(frozen=True, slots=True)
class Reading:
    """How a locator is to be read. `ref`: a branch, tag or commit, or the name of an agent in an agents file.

    `values` is all that `${NAME}` in an agents file stands for. `local`: `file://` addresses, and paths that lead out
    of the folder of an agents file, may be followed. `pull`: an image that is not here may be fetched.
    """

    ref: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    local: bool = False
    pull: bool = False


async def examine(
    locator: str,
    settings: Settings,
    reading: Reading,
    *,
    progress: Progress | None = None,
    look: Callable[[FileView, Requirements], None] | None = None,
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """What the source needs, and what was left out of the view. `look` as in `look.judge`. Raises `InvalidSource`."""
    locator = plain_path(locator, consent=reading.local)
    images = LazyImages(settings)
    try:
        readers = fetchers(settings, images, pull=reading.pull, values=reading.values, outside=reading.local)
        fetcher = choose_fetcher(locator, list(readers.values()))
        return await judge(locator, fetcher, ref=reading.ref, progress=progress, look=look)
    finally:
        await images.close()
