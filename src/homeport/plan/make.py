# SPDX-License-Identifier: Apache-2.0
"""The plan: chosen offer, image, hours, price, steps, warnings, and an id that is a digest of it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from homeport.model.advice import Advised, Pick
from homeport.model.limits import Limits
from homeport.model.names import check_name
from homeport.model.paths import printable
from homeport.model.plan import Offer, Plan, plan_id
from homeport.model.requirements import Requirements
from homeport.model.source import Source
from homeport.model.systemimage import SystemImage
from homeport.plan.bounds import placed, settle_limits
from homeport.plan.cautions import cautions
from homeport.plan.duration import duration, hours_on
from homeport.plan.images import choose_image
from homeport.plan.overrides import apply_overrides
from homeport.plan.price import total
from homeport.plan.rank import Judged, candidates, rank
from homeport.plan.refusal import no_capacity
from homeport.plan.runtime import choose_runtime
from homeport.plan.savings import cheaper
from homeport.plan.steps import network_of, plan_steps
from homeport.plan.targets import quotes


def make_plan(
    source: Source,
    requirements: Requirements,
    offers: Sequence[Offer],
    *,
    name: str,
    hours: float | None = None,
    now_us: int,
    overrides: Mapping[str, str] | None = None,
    runtime: str = "process",
    engine: str = "",
    images: Sequence[SystemImage] = (),
    limits: Limits = Limits(),
    picks: Sequence[Pick] = (),
    network: str = "",
    key: str = "",
    advised: Sequence[Advised] = (),
) -> Plan:
    """Choose the best offer that will do and is allowed: see `rank` for the order, `bounds` for what is allowed.

    `hours` None: by the kind of work; 0: until stopped, and the total is then that of the first hour. `runtime` is the
    one wished for, or "auto"; `engine` says which container engine answers here, "" for none. `picks` are followed in
    order where they name something that will do and is allowed; where not, a warning says so. `advised`:
    what a model moved, kept to be shown.

    Raises `UsageError` for a bad name, override or duration, `NoCapacity` when no offer will do within the limits,
    `Unavailable` when it takes a container engine and none answers.
    """
    check_name(name)
    needs = apply_overrides(requirements, overrides or {})
    limits, aliased = settle_limits(limits)
    work, passed_over = duration(needs, hours, picks)
    ranked = rank(needs, placed(offers, limits), work, limits)
    if not ranked or not ranked[0].allowed:
        raise no_capacity(needs, ranked, limits)
    chosen, by, refused = _followed(ranked, picks)
    image, about_image = choose_image(needs, chosen.offer, images, picks)
    taken, hours_why = hours_on(work, chosen.offer)
    runtime, why = choose_runtime(needs, wished=runtime, engine=engine, here=chosen.offer.cloud == "local")
    network = network_of(chosen.offer, network)
    losers = candidates(needs, ranked, chosen, by=by)
    plan = Plan(
        id="",
        name=name,
        source=source,
        requirements=needs,
        chosen=chosen.offer,
        hours=taken,
        hours_why=hours_why,
        total=total(chosen.offer, taken),
        candidates=losers,
        image=image,
        quotes=quotes(ranked, losers, chosen, limits),
        cheaper=cheaper(needs, ranked, chosen, work, limits),
        network=network,
        key=key,
        advised=tuple(advised),
        chosen_by=by or ("user" if limits.machine_types else ""),
        steps=plan_steps(
            source, needs, chosen.offer, name, runtime, hours=taken, image=image, network=network, key=key
        ),
        warnings=tuple(
            dict.fromkeys(
                (*refused, *passed_over, *aliased, *cautions(needs, chosen, work, limits, runtime), *about_image)
            )
        ),
        runtime=runtime,
        runtime_why=why,
    )
    return replace(plan, id=plan_id(plan), made_at_us=now_us)


def fitting_offers(
    requirements: Requirements,
    offers: Sequence[Offer],
    *,
    hours: float | None = None,
    limits: Limits = Limits(),
) -> tuple[Offer, ...]:
    """What will do and is allowed, the best first: what a selector or a model may choose from.

    `requirements` are those of the plan (with what the user overrode)."""
    limits, _ = settle_limits(limits)
    work, _ = duration(requirements, hours)
    return tuple(one.offer for one in rank(requirements, placed(offers, limits), work, limits) if one.allowed)


def _followed(ranked: Sequence[Judged], picks: Sequence[Pick]) -> tuple[Judged, str, tuple[str, ...]]:
    """The first pick that can be followed, else the ranking's own; who chose; and a warning for each pick before it."""
    warnings: list[str] = []
    for pick in picks:
        if pick.machine is None:
            continue
        named = [one for one in ranked if one.offer.place == pick.machine]
        if named and named[0].allowed:
            return named[0], pick.by, tuple(warnings)
        machine = printable("/".join(pick.machine), 100)
        why = "no machine on offer is called so"
        if named:
            why = (named[0].verdict.lacks or (named[0].bounds.text,))[0].rstrip(".")
        warnings.append(f"{pick.by} chose {machine}, which was not followed: {why}")
    return ranked[0], "", tuple(warnings)
