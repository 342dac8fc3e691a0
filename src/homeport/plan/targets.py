# SPDX-License-Identifier: Apache-2.0
"""All targets side by side: the best that each can do, what that costs, or why it can not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from homeport.model.limits import TARGETS, Limits
from homeport.model.money import FREE
from homeport.model.plan import Candidate, Offer, Quote
from homeport.plan.price import total
from homeport.plan.rank import Judged


def quotes(ranked: Sequence[Judged], losers: Sequence[Candidate], chosen: Judged, limits: Limits) -> tuple[Quote, ...]:
    """One for each target that has offers or was asked for, the chosen one first."""
    reasons = {one.offer: one.lost for one in losers}
    best = Quote(chosen.offer.cloud, chosen.offer, chosen.hours, total(chosen.offer, chosen.hours))
    clouds = {one.offer.cloud for one in ranked} | set(limits.targets)
    others = sorted(clouds - {chosen.offer.cloud}, key=_place)
    return (best, *(_quote(cloud, [one for one in ranked if one.offer.cloud == cloud], reasons) for cloud in others))


def distance(one: Judged) -> tuple[Any, ...]:
    """How far from doing it: the fewest things lacking first, then the largest machine."""
    offer = one.offer
    size = offer.gpus * max(offer.gpu_memory_bytes, 1)
    return one.verdict.distance, -size, -offer.memory_bytes, -offer.cpus, *offer.place


def _quote(cloud: str, ranked: Sequence[Judged], reasons: dict[Offer, str]) -> Quote:
    if not ranked:
        return Quote(cloud, None, 0.0, FREE, f"Nothing is known of what {cloud} offers.")
    first = ranked[0]
    if first.will_do:
        return Quote(cloud, first.offer, first.hours, total(first.offer, first.hours), reasons[first.offer])
    close = min(ranked, key=distance)
    why = close.verdict.lacks[0]
    if len(ranked) > 1:
        why = f"None of its {len(ranked)} types will do; the nearest is {close.offer.machine_type}: {why}"
    return Quote(cloud, None, 0.0, FREE, why)


def _place(cloud: str) -> tuple[int, str]:
    return (TARGETS.index(cloud) if cloud in TARGETS else len(TARGETS), cloud)
