# SPDX-License-Identifier: Apache-2.0
"""A plan for what somebody typed: no server, no account, nothing spent, nothing executed."""

from __future__ import annotations

from collections.abc import Mapping

from homeport.app.compose import clouds, fetcher_for, fetchers
from homeport.errors import InvalidSource
from homeport.flow import judge
from homeport.flow import propose as propose_plan
from homeport.interfaces.fetcher import Progress
from homeport.model.names import check_name, suggest_name
from homeport.model.plan import Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.settings import Settings
from homeport.source import recognise


async def examine(
    locator: str, settings: Settings, *, ref: str = "", progress: Progress | None = None
) -> tuple[Source, Requirements, tuple[str, ...]]:
    """What the source needs, and what was left out of the view. Raises `InvalidSource`."""
    recognise(locator)
    fetcher = fetcher_for(locator, list(fetchers(settings).values()))
    if fetcher is None:
        raise InvalidSource(
            f"cannot tell what {locator!r} is", operation="source", subject=locator,
            hint="give an https Git URL, or a folder that exists",
        )  # fmt: skip
    return await judge(locator, fetcher, ref=ref, progress=progress)


async def propose(
    locator: str,
    settings: Settings,
    *,
    name: str = "",
    ref: str = "",
    overrides: Mapping[str, str] | None = None,
    hours: float = 0.0,
    progress: Progress | None = None,
) -> Plan:
    """Analysed, matched with every cloud's offers, priced."""
    from time import time_ns

    name = check_name(name) if name else suggest_name(locator)
    source, requirements, _ = await examine(locator, settings, ref=ref, progress=progress)
    offers = [offer for cloud in clouds(settings).values() for offer in await cloud.offers()]
    return propose_plan(
        source, requirements, offers,
        name=name, hours=hours, now_us=time_ns() // 1000, overrides=overrides or {},
    )  # fmt: skip
