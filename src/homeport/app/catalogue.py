# SPDX-License-Identifier: Apache-2.0
"""Everything that could be had, from live clouds, from tables and from the user's own prices; and how tables renew."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from time import time_ns

import msgspec

from homeport.app.compose import clouds, made
from homeport.errors import HomeportError, InvalidSource, NotFound, Unavailable, UsageError
from homeport.interfaces.extension_points import DRIVERS
from homeport.interfaces.factsource import FactSource
from homeport.model.codec import pack, unpack
from homeport.model.facts import Facts
from homeport.model.plainyaml import LONGEST
from homeport.model.plan import Offer
from homeport.model.systemimage import SystemImage
from homeport.plan.catalogue import OLD_DAYS, Difference, age, chosen, completed, difference, embedded
from homeport.plan.gpus import with_gpu_facts
from homeport.plan.pricetable import NOT_PRICED, read_prices
from homeport.settings import Settings

_LARGEST = 32 << 20


async def offers_and_images(
    settings: Settings, *, now_us: int | None = None
) -> tuple[list[Offer], list[SystemImage], list[str]]:
    """Offers and images of every target, and what has to be said about them.

    A cloud that can be asked now counts before its table; one that does not answer is told, and its table is used.
    Raises `UsageError` for a price table that cannot be read.
    """
    today = datetime.fromtimestamp((now_us or time_ns() // 1000) / 1e6, UTC).date()
    offers: list[Offer] = []
    notes: list[str] = []
    live = set()
    for name, cloud in clouds(settings).items():
        try:
            offers += [with_gpu_facts(offer) for offer in await cloud.offers()]
            live.add(name)
        except Unavailable as error:
            notes.append(f"{name} does not answer, so its table is used: {error.message}")
    tables, troubles = await asyncio.to_thread(current_facts, settings)
    for facts in tables:
        if facts.cloud not in live:
            offers += facts.offers
            notes += _old(facts, today)
    offers += await asyncio.to_thread(kubernetes_offers, settings)
    images = [image for facts in tables for image in facts.images]
    return offers, images, [*notes, *troubles]


def current_facts(settings: Settings) -> tuple[list[Facts], list[str]]:
    """The newest facts of each cloud that has a table, and which fetched ones could not be used."""
    found, troubles = [], []
    for came in embedded():
        try:
            found.append(chosen(came, _fetched(settings, came.cloud)))
        except InvalidSource as error:
            found.append(came)
            troubles.append(f"{error.message}; {error.hint}")
    return found, troubles


def kubernetes_offers(settings: Settings) -> list[Offer]:
    """By the user's table; without one a single offer that is not priced. Raises `UsageError`."""
    if not settings.kubernetes_prices:
        return [NOT_PRICED]
    path = Path(settings.kubernetes_prices).expanduser()
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the table of prices {path} cannot be read: {error}", operation="plan", subject=str(path),
            hint="HOMEPORT_KUBERNETES_PRICES names it",
        ) from None  # fmt: skip
    return read_prices(text, path=str(path))


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one cloud's facts became. `trouble` is set where they stayed as they were."""

    cloud: str
    before: Facts
    after: Facts
    difference: Difference = field(default_factory=Difference)
    trouble: HomeportError | None = None


def fact_sources(settings: Settings) -> dict[str, FactSource]:
    bases = {"linode": settings.linode_api, "chameleon": settings.chameleon_api}
    return {
        name: made("factsource", name, base=bases.get(name, ""), env=settings.network_env)
        for name in DRIVERS["factsource"]
    }


async def refresh(settings: Settings, only: Sequence[str] = ()) -> list[Refreshed]:
    """Ask each cloud that publishes facts (or those of `only`) and keep what came: whole, or not at all.

    One that fails does not keep the others from being renewed. Raises `NotFound` for a cloud that publishes none.
    """
    sources = fact_sources(settings)
    for name in only:
        if name not in sources:
            raise NotFound(
                f"{name!r} publishes no facts",
                operation="catalog",
                subject=name,
                hint=f"these do: {', '.join(sources)}",
            )
    asked = [source for name, source in sources.items() if not only or name in only]
    before = {facts.cloud: facts for facts in current_facts(settings)[0]}
    return list(await asyncio.gather(*(_renew(settings, source, before[source.cloud]) for source in asked)))


async def _renew(settings: Settings, source: FactSource, before: Facts) -> Refreshed:
    try:
        after = completed(await source.fetch())
        await asyncio.to_thread(_keep, _path(settings, source.cloud), after)
    except HomeportError as error:
        return Refreshed(source.cloud, before, before, trouble=error)
    return Refreshed(source.cloud, before, after, difference(before, after))


def _old(facts: Facts, today: date) -> list[str]:
    days = age(facts.as_of, today)
    if days <= OLD_DAYS:
        return []
    return [f"what {facts.cloud} offers is of {facts.as_of}, {days} days ago; renew it with: homeport catalog refresh"]


def _path(settings: Settings, cloud: str) -> Path:
    return settings.paths.cache / "facts" / f"{cloud}.json"


def _fetched(settings: Settings, cloud: str) -> Facts | None:
    """None where none were fetched. Raises `InvalidSource` for what is no facts of that cloud."""
    path = _path(settings, cloud)
    try:
        if path.exists() and not path.is_file():
            raise ValueError
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        facts = unpack(raw, Facts)
        date.fromisoformat(facts.as_of)
        if facts.cloud != cloud or not facts.offers or any(offer.cloud != cloud for offer in facts.offers):
            raise ValueError
    except FileNotFoundError:
        return None
    except (HomeportError, msgspec.DecodeError, OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidSource(
            f"{path} cannot be read and is not used", operation="catalog", subject=str(path),
            hint="write it anew with: homeport catalog refresh",
        ) from None  # fmt: skip
    return facts


def _keep(path: Path, facts: Facts) -> None:
    """From one moment to the next, whole. Raises `HomeportError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pack(facts) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HomeportError(
            f"{path} cannot be written: {error.strerror or error}", operation="catalog", subject=str(path)
        ) from None
