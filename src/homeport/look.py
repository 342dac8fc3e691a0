# SPDX-License-Identifier: Apache-2.0
"""source ─► analyze: the first step of the story that `flow` tells. Apart from it, because a look is all that most
callers want of it, and should not load what planning and deploying take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from homeport.analyze import analyze

if TYPE_CHECKING:
    from homeport.interfaces.fetcher import Fetcher, FileView, Progress
    from homeport.model.requirements import Requirements
    from homeport.model.source import Source


async def judge(
    locator: str,
    fetcher: Fetcher,
    *,
    ref: str = "",
    progress: Progress | None = None,
    look: Callable[[FileView, Requirements], None] | None = None,
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """Read the source once, within bounds, and say what it needs; and what was left out of the view, and why.

    `look` sees the view as well, while it is open.
    """
    view = await fetcher.fetch(locator, ref=ref, progress=progress)
    try:
        requirements = analyze(view)
        if look is not None:
            look(view, requirements)
        return view.source, requirements, view.skipped
    finally:
        view.close()
