# SPDX-License-Identifier: Apache-2.0
"""Nothing will do, or nothing that will do is allowed: what was nearest, and what would change that."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from homeport.errors import NoCapacity
from homeport.model.evidence import Inferred
from homeport.model.limits import Limits
from homeport.model.money import Money
from homeport.model.paths import printable
from homeport.model.requirements import GpuNeed, Requirements
from homeport.plan.bounds import exceeds, least
from homeport.plan.price import paid, span, total
from homeport.plan.rank import Judged
from homeport.plan.targets import distance

_SHOWN = 5
_NEAR = 3
"""What is farther away than the nearest by more than this is no near miss: it lacks a GPU as well, say."""


def no_capacity(needs: Requirements, ranked: Sequence[Judged], limits: Limits) -> NoCapacity:
    """The error to raise. `ranked` as `rank` gives it, none of it allowed."""
    if not ranked:
        return NoCapacity("no machine is on offer", operation="plan", hint="see what is here with: homeport doctor")
    asked = [one for one in ranked if not one.bounds.scope]
    if not asked:
        return _nothing_of_that(ranked, limits)
    fitting = [one for one in asked if one.will_do]
    if fitting:
        return _over_budget(fitting, limits)
    lines = [f"none of {_machines(len(asked))} will do; the nearest:"]
    close: dict[str, Judged] = {}
    least_far = min(one.verdict.distance for one in asked)
    for one in sorted(asked, key=distance):
        if one.verdict.distance <= least_far + _NEAR:
            close.setdefault(one.verdict.lacks[0], one)
    lines += [f"  - {one.offer.called}: {why}" for why, one in list(close.items())[:_SHOWN]]
    hint = _enough(min(asked, key=distance))
    if needs.gpu.value is GpuNeed.NEEDED:
        lines.append(f"a GPU is needed{because(needs.gpu)}")
    elsewhere = [one for one in ranked if one.will_do and one.bounds.scope and one.offer.priced]
    if elsewhere:
        best = elsewhere[0]
        lines.append(f"not asked for, but it would do: {best.offer.called}, {_price(best)}")
        hint = "leave out --target, --site or --node-type, or name that one"
    return NoCapacity("\n".join(lines), operation="plan", hint=hint)


def _enough(one: Judged) -> str:
    """What to say if the nearest is enough."""
    flags = " ".join(dict.fromkeys(flag for flag in one.verdict.flags if flag))
    if flags == "--gpu no":
        return "if it runs without a GPU, say so: --gpu no, or write `gpu: no` into its homeport.yaml"
    if flags and all(one.verdict.flags):
        return f"if {one.offer.machine_type} is enough, say so: {flags}"
    return "see what there is with: homeport catalog list"


def because(value: Inferred[GpuNeed] | Inferred[str]) -> str:
    """` (README.md:3: what it says)`, "" without evidence."""
    if not value.evidence:
        return ""
    best = value.evidence[0]
    where = f"{printable(best.file, 100)}:{best.line}" if best.file else "the user"
    return f" ({where}: {best.quote})" if best.quote else f" ({where})"


def _over_budget(fitting: Sequence[Judged], limits: Limits) -> NoCapacity:
    """The cheapest of each unit of money, and what would allow the first of those that there is a budget for."""
    budgeted = [money.currency for money in (*limits.total, *limits.hourly)]

    def key(one: Judged) -> tuple[Any, ...]:
        unit, cost = one.offer.hourly.currency, total(one.offer, one.hours).micros
        return not one.offer.priced, unit not in budgeted, cost, bool(one.verdict.misses), one.key

    cheapest: dict[str, Judged] = {}
    for one in sorted(fitting, key=key):
        cheapest.setdefault(one.offer.hourly.currency if one.offer.priced else "", one)
    lines = [f"{_machines(len(fitting))} would do, and none is within the budget; the nearest:"]
    lines += [f"  - {one.offer.called}, {_price(one)}: {one.bounds.budget}" for one in cheapest.values()]
    first = next(iter(cheapest.values()))
    hint = _enough_money(first, limits) if paid(first.offer) else "give its price in the price table"
    return NoCapacity("\n".join(lines), operation="plan", hint=hint)


def _enough_money(one: Judged, limits: Limits) -> str:
    """What to say to allow it, or to take it for less time."""
    rate, cost = one.offer.hourly, total(one.offer, one.hours)
    dear = exceeds(rate, limits.hourly)
    flags = [f"--max-price {_flag(rate)}"] if dear else []
    flags += [f"--max-cost {_flag(cost)}"] if exceeds(cost, limits.total) else []
    return f"{' '.join(flags)} allows {one.offer.machine_type}{'' if dear else _fewer_hours(one, limits)}"


def _fewer_hours(one: Judged, limits: Limits) -> str:
    budget = least(limits.total, one.offer.hourly.currency)
    hours = budget.micros // one.offer.hourly.micros if budget is not None else 0
    return f"; --hours {hours} is within the budget" if 1 <= hours < one.hours else ""


def _nothing_of_that(ranked: Sequence[Judged], limits: Limits) -> NoCapacity:
    """No offer is where, or of the type, that was asked for: which word matches nothing, and what is like it."""
    known = (
        ("target", limits.targets, {one.offer.cloud for one in ranked}),
        ("site", limits.regions, {one.offer.region for one in ranked if one.offer.region}),
        ("machine type", limits.machine_types, {one.offer.machine_type for one in ranked}),
    )
    for what, words, there in known:
        strange = [word for word in words if word not in there]
        if strange and len(strange) == len(words):
            word = printable(strange[0], 80)
            like = get_close_matches(word, sorted(there), n=3, cutoff=0.5) or sorted(there)[:8]
            return NoCapacity(
                f"nothing is offered as {what} {word!r}",
                operation="plan", subject=word, hint=f"there is: {', '.join(like)}",
            )  # fmt: skip
    asked = ", ".join((*limits.targets, *limits.regions, *limits.machine_types))
    fitting = next((one for one in ranked if one.will_do), ranked[0])
    asked = printable(asked, 200)
    return NoCapacity(
        f"no machine is all of what was asked for ({asked}): {fitting.offer.called}: {fitting.bounds.scope}",
        operation="plan", hint="leave out one of --target, --site and --node-type",
    )  # fmt: skip


def _machines(count: int) -> str:
    return "1 machine" if count == 1 else f"{count} machines"


def _price(one: Judged) -> str:
    if not one.offer.priced:
        return "not priced"
    return f"{total(one.offer, one.hours)} {span(one.hours)}" if paid(one.offer) else "free"


def _flag(money: Money) -> str:
    """As one types it, rounded up so that it is enough."""
    cents = -(-money.micros // 10_000)
    return f"{cents // 100}.{cents % 100:02d}{money.currency}"
