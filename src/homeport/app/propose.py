# SPDX-License-Identifier: Apache-2.0
"""A plan for what somebody typed: no server, no account, nothing spent, nothing executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from time import time_ns

from homeport.analyze.extracts import extracts_of
from homeport.app.advising import Adviser, open_llm
from homeport.app.catalogue import offers_and_images
from homeport.app.compose import engine
from homeport.app.extensions import aside, load_extensions
from homeport.app.reading import Reading, examine
from homeport.flow import propose as propose_plan
from homeport.interfaces.fetcher import Progress
from homeport.model.advice import Advised, Pick
from homeport.model.limits import Limits
from homeport.model.names import check_name, suggest_name
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.systemimage import SystemImage
from homeport.plan import fitting_offers
from homeport.settings import Settings


@dataclass(frozen=True, slots=True)
class Wish:
    """What a plan is wanted to be. `hours` None: by the kind of work. "" in `runtime`, `network`, `key`: the settings'.

    `llm`: a model may improve what is estimated, within bounds. `selector`: the one of the user's own to ask, "" for
    all of them, "none" for nobody.
    """

    name: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    hours: float | None = None
    runtime: str = ""
    limits: Limits = field(default_factory=Limits)
    network: str = ""
    key: str = ""
    llm: bool = False
    selector: str = ""


async def propose(
    locator: str, settings: Settings, reading: Reading, wish: Wish, *, progress: Progress | None = None
) -> Plan:
    """Analysed, matched with every target's offers, priced. Raises what the stages raise, and `Extensions.choose`."""
    check_name(wish.name or "unnamed")
    say = progress or _silent
    async with AsyncExitStack() as stack:
        adviser = await stack.enter_async_context(Adviser(open_llm(settings))) if wish.llm else None
        extracts: list[str] = []
        look = (lambda view, found: extracts.extend(extracts_of(view, found))) if adviser else None
        source, requirements, _ = await examine(locator, settings, reading, progress=progress, look=look)
        offers, images, notes = await offers_and_images(settings)
        runtime = wish.runtime or settings.runtime
        market = Market(
            source, tuple(_by_default(offers, settings, wish.limits)), tuple(images),
            name=wish.name or (requirements.name.value if requirements.name else suggest_name(locator)),
            network=wish.network or settings.default_network, key=wish.key or settings.default_key_name,
            runtime=runtime, engine="" if runtime == "process" else await engine(settings), now_us=time_ns() // 1000,
        )  # fmt: skip
        if adviser is None:
            plan = await _planned(requirements, settings, wish, market)
        else:
            say(f"asking {adviser.report.model} ...")
            plan = await _advised(requirements, settings, wish, market, adviser, extracts)
            say(str(adviser.report))
        for note in notes if plan.chosen.cloud != "local" else ():
            say(f"note: {note}")
        return plan


async def _planned(requirements: Requirements, settings: Settings, wish: Wish, market: Market) -> Plan:
    plan = market.plan(requirements, wish)
    picks, warnings = await aside(partial(_selected, settings, wish, plan, market))
    return market.plan(_warned(requirements, warnings), wish, picks) if picks or warnings else plan


async def _advised(
    requirements: Requirements,
    settings: Settings,
    wish: Wish,
    market: Market,
    adviser: Adviser,
    extracts: Sequence[str],
) -> Plan:
    """The same with a model's advice. What a selector of the user's chooses, the model is not asked about."""
    moved = await adviser.requirements(requirements, extracts, overrides=wish.overrides, systems=market.images)
    requirements, plan = adviser.weigh(requirements, moved, lambda needs: market.plan(needs, wish))
    picks, warnings = await aside(partial(_selected, settings, wish, plan, market))
    if picks:
        plan = market.plan(requirements, wish, picks)
    pick = await adviser.pick(
        plan, () if picks else market.fitting(plan, wish), market.images, limits=wish.limits, extracts=extracts,
        hours_given=wish.hours is not None,
    )  # fmt: skip
    warned = _warned(requirements, (*warnings, *adviser.report.warnings))
    return market.plan(warned, wish, (*picks, pick), adviser.report.changes)


def _warned(requirements: Requirements, warnings: Sequence[str]) -> Requirements:
    return replace(requirements, warnings=tuple(dict.fromkeys((*requirements.warnings, *warnings))))


@dataclass(frozen=True, slots=True)
class Market:
    """What a plan is made from besides requirements and wishes: the same for each try."""

    source: Source
    offers: tuple[Offer, ...]
    images: tuple[SystemImage, ...]
    name: str
    network: str
    key: str
    runtime: str
    engine: str
    now_us: int

    def plan(
        self, requirements: Requirements, wish: Wish, picks: Sequence[Pick] = (), advised: Sequence[Advised] = ()
    ) -> Plan:
        return propose_plan(
            self.source, requirements, self.offers, self.images,
            name=self.name, now_us=self.now_us, hours=wish.hours, overrides=wish.overrides, limits=wish.limits,
            picks=picks, advised=advised, network=self.network, key=self.key, runtime=self.runtime, engine=self.engine,
        )  # fmt: skip

    def fitting(self, plan: Plan, wish: Wish) -> tuple[Offer, ...]:
        return fitting_offers(plan.requirements, self.offers, hours=wish.hours, limits=wish.limits)


def _selected(settings: Settings, wish: Wish, plan: Plan, market: Market) -> tuple[tuple[Pick, ...], tuple[str, ...]]:
    """What the user's own selectors choose, and warnings. They run in this process, never in the server."""
    extensions = load_extensions(settings.paths.plugins)
    picks, warnings = extensions.choose(plan.requirements, market.fitting(plan, wish), only=wish.selector)
    return picks, (*extensions.troubles, *warnings)


def _by_default(offers: Sequence[Offer], settings: Settings, limits: Limits) -> Iterable[Offer]:
    """Without a site in the limits, Chameleon's other sites than the default one are left out."""
    site = settings.default_site.lower().removeprefix("chi@")
    if not site or limits.regions:
        return offers
    return [offer for offer in offers if offer.cloud != "chameleon" or offer.region == site]


def _silent(_: str) -> None:
    return None
