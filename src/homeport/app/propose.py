# SPDX-License-Identifier: Apache-2.0
"""A plan for what somebody typed: no server, no account, nothing spent, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping

from homeport.app.compose import clouds, engine, fetchers
from homeport.app.engine import LazyImages
from homeport.flow import judge
from homeport.flow import propose as propose_plan
from homeport.interfaces.fetcher import Progress
from homeport.model.names import check_name, suggest_name
from homeport.model.plan import Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.settings import Settings
from homeport.source import choose_fetcher


async def examine(
    locator: str, settings: Settings, *, ref: str = "", pull: bool = False, progress: Progress | None = None
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """What the source needs, and what was left out of the view. Raises `InvalidSource`.

    `pull`: an image that is not here may be fetched.
    """
    images = LazyImages(settings)
    try:
        fetcher = choose_fetcher(locator, list(fetchers(settings, images, pull=pull).values()))
        return await judge(locator, fetcher, ref=ref, progress=progress)
    finally:
        await images.close()


async def propose(
    locator: str,
    settings: Settings,
    *,
    name: str = "",
    ref: str = "",
    overrides: Mapping[str, str] | None = None,
    hours: float = 0.0,
    runtime: str = "",
    pull: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """Analysed, matched with every cloud's offers, priced. `runtime` "" leaves it to the settings."""
    from time import time_ns

    check_name(name or "unnamed")
    source, requirements, _ = await examine(locator, settings, ref=ref, pull=pull, progress=progress)
    if not name:
        name = requirements.name.value if requirements.name else suggest_name(locator)
    offers = [offer for cloud in clouds(settings).values() for offer in await cloud.offers()]
    runtime = runtime or settings.runtime
    return propose_plan(
        source, requirements, offers,
        name=name, hours=hours, now_us=time_ns() // 1000, overrides=overrides or {},
        runtime=runtime, engine="" if runtime == "process" else await engine(settings),
    )  # fmt: skip
