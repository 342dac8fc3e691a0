# SPDX-License-Identifier: Apache-2.0
"""A plan for what somebody typed: no server, no account, nothing spent, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from homeport.app.compose import clouds, engine, fetchers
from homeport.app.engine import LazyImages
from homeport.flow import judge
from homeport.flow import propose as propose_plan
from homeport.interfaces.fetcher import Progress
from homeport.model.locator import plain_path
from homeport.model.names import check_name, suggest_name
from homeport.model.plan import Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.settings import Settings
from homeport.source import choose_fetcher


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
    locator: str, settings: Settings, reading: Reading, *, progress: Progress | None = None
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """What the source needs, and what was left out of the view. Raises `InvalidSource`."""
    locator = plain_path(locator, consent=reading.local)
    images = LazyImages(settings)
    try:
        readers = fetchers(settings, images, pull=reading.pull, values=reading.values, outside=reading.local)
        return await judge(locator, choose_fetcher(locator, list(readers.values())), ref=reading.ref, progress=progress)
    finally:
        await images.close()


async def propose(
    locator: str,
    settings: Settings,
    reading: Reading,
    *,
    name: str = "",
    overrides: Mapping[str, str] | None = None,
    hours: float = 0.0,
    runtime: str = "",
    progress: Progress | None = None,
) -> Plan:
    """Analysed, matched with every cloud's offers, priced. `runtime` "" leaves it to the settings."""
    from time import time_ns

    check_name(name or "unnamed")
    source, requirements, _ = await examine(locator, settings, reading, progress=progress)
    if not name:
        name = requirements.name.value if requirements.name else suggest_name(locator)
    offers = [offer for cloud in clouds(settings).values() for offer in await cloud.offers()]
    runtime = runtime or settings.runtime
    return propose_plan(
        source, requirements, offers,
        name=name, hours=hours, now_us=time_ns() // 1000, overrides=overrides or {},
        runtime=runtime, engine="" if runtime == "process" else await engine(settings),
    )  # fmt: skip
