# SPDX-License-Identifier: Apache-2.0
"""What the user allows: targets, regions, machine types, budgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from homeport.model.limits import Limits
from homeport.model.money import Money
from homeport.model.paths import printable
from homeport.model.plan import Offer
from homeport.plan.price import paid, span, total

ALIASES = {
    "compute_cascadelake_r640": "compute_cascadelake_r",
    "compute_cascadelake_r640_384gb": "compute_cascadelake_r",
}
"""Machine types that scripts name and no site has, and what they mean."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`scope`: it is not where or what was asked for. `budget`: it costs too much. Sentences; "" within."""

    scope: str = ""
    budget: str = ""

    @property
    def text(self) -> str:
        return self.scope or self.budget


def settle_limits(limits: Limits) -> tuple[Limits, tuple[str, ...]]:
    """Aliases replaced by what they stand for, with a warning each; sites as people and OpenStack call them (`CHI@UC`)
    by the names that offers have."""
    known = {name: ALIASES[name] for name in limits.machine_types if name in ALIASES}
    types = tuple(dict.fromkeys(known.get(name, name) for name in limits.machine_types))
    warnings = tuple(f"no site has the machine type {old}: {new} is meant" for old, new in known.items())
    regions = tuple(dict.fromkeys(_region(name) for name in limits.regions))
    return replace(limits, machine_types=types, regions=regions), warnings


def placed(offers: Sequence[Offer], limits: Limits) -> list[Offer]:
    """The offers, where one of no particular region stands in each region that was asked for together with its target
    or type: the table it is from does not say where there are such machines. One that another target has is not meant.
    """
    found: list[Offer] = []
    elsewhere = {offer.region for offer in offers if offer.region}
    regions = [name for name in dict.fromkeys(limits.regions) if name not in elsewhere]
    for offer in offers:
        named = offer.cloud in limits.targets or offer.machine_type in limits.machine_types
        if offer.region or not regions or not named:
            found.append(offer)
        else:
            found += [replace(offer, region=region) for region in regions]
    return found


def bounds(offer: Offer, hours: float, limits: Limits) -> Bounds:
    """Whether it is within what the user allows, taken for `hours` (0: until stopped, so the first hour counts)."""
    return Bounds(_scope(offer, limits), _budget(offer, hours, limits))


def unit_order(allowed: Sequence[Offer], limits: Limits) -> dict[str, int]:
    """Which unit of money comes first, of those that the allowed offers are priced in. No unit is ever converted.

    The unit of the target that was named first, if targets were named; else the unit whose budget was named first;
    else US dollars; else by name. So an allocation on a testbed, which is granted for a purpose and is no cash, is
    spent where its target, its unit, a site or a type of it is asked for, or where nothing else will do.
    """
    budgets = [money.currency for money in (*limits.total, *limits.hourly)]

    def key(unit: str) -> tuple[int, int, bool, str]:
        clouds = [offer.cloud for offer in allowed if offer.hourly.currency == unit]
        named = [limits.targets.index(cloud) for cloud in clouds if cloud in limits.targets]
        budgeted = budgets.index(unit) if unit in budgets else len(budgets)
        return min(named, default=0), budgeted, unit != "USD", unit

    units = {offer.hourly.currency for offer in allowed if paid(offer)}
    return {unit: place for place, unit in enumerate(sorted(units, key=key))}


def least(amounts: Sequence[Money], currency: str) -> Money | None:
    """The strictest budget in a unit; None where that unit has none."""
    return min((one for one in amounts if one.currency == currency), key=lambda one: one.micros, default=None)


def exceeds(cost: Money, amounts: Sequence[Money]) -> bool:
    """Whether budgets do not allow so much: those in other units allow none of it. No budgets allow all."""
    allowed = least(amounts, cost.currency)
    return bool(amounts) and (allowed is None or cost.micros > allowed.micros)


def _scope(offer: Offer, limits: Limits) -> str:
    if limits.targets and offer.cloud not in limits.targets:
        return f"It is on {offer.cloud}, and {_either(limits.targets)} was asked for."
    if limits.regions and _region(offer.region) not in limits.regions:
        where = f"in {offer.region}" if offer.region else f"on {offer.cloud}, in no particular region"
        if offer.region == offer.cloud:
            where = f"on {offer.cloud}"
        return f"It is {where}, and {_either(limits.regions)} was asked for."
    if limits.machine_types and offer.machine_type not in limits.machine_types:
        return f"It is not of the type asked for, {_either(limits.machine_types)}."
    return "" if offer.priced or offer.cloud in limits.targets else "Nobody has said what it costs."


def _budget(offer: Offer, hours: float, limits: Limits) -> str:
    if not offer.priced:
        return "Nobody has said what it costs, and there is a budget." if limits.total or limits.hourly else ""
    if not paid(offer):
        return ""
    unit = offer.hourly.currency
    for amounts in (limits.total, limits.hourly):
        if amounts and least(amounts, unit) is None:
            return f"It is priced in {unit}, and the budget is in {_either([one.currency for one in amounts])}."
    if exceeds(offer.hourly, limits.hourly):
        return f"It costs {offer.hourly} an hour, over the limit of {least(limits.hourly, unit)}."
    cost = total(offer, hours)
    if exceeds(cost, limits.total):
        return f"It costs {cost} {span(hours)}, over the budget of {least(limits.total, unit)}."
    return ""


def _either(names: Sequence[str]) -> str:
    return printable(" or ".join(dict.fromkeys(names)), 200)


def _region(name: str) -> str:
    return name.casefold().removeprefix("chi@")
