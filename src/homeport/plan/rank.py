# SPDX-License-Identifier: Apache-2.0
"""Which of those that will do is best, and why each of the others lost.

The order, first difference decides:
1. what will do and is within the user's limits;
2. free before paid, unpriced last;
3. among paid ones, what also meets every estimate before what misses one: nothing is spent on a gamble, whereas
   trying on a free machine costs nothing;
4. the order of units of money (`bounds.unit_order`), and in one unit the lowest price for the whole time;
5. of free ones this machine; no GPU that would not be used; what meets every estimate; what says what it has;
6. no GPU from before tensor cores; fewest GPUs, least GPU memory, the newest of these;
7. the smallest: least of memory times processors times disk; then the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homeport.model.limits import Limits
from homeport.model.plan import Candidate, Offer
from homeport.model.requirements import GpuNeed, Requirements
from homeport.plan.bounds import Bounds, bounds, unit_order
from homeport.plan.duration import Duration, hours_on
from homeport.plan.gpufit import CURRENT_CAPABILITY, useful_gpus, version_of
from homeport.plan.match import Verdict, verdict
from homeport.plan.price import paid, span, total


@dataclass(frozen=True, slots=True)
class Judged:
    """An offer, taken for `hours`, with all that is to be said about it."""

    offer: Offer
    hours: float
    verdict: Verdict
    bounds: Bounds
    key: tuple[Any, ...]

    @property
    def will_do(self) -> bool:
        return not self.verdict.lacks

    @property
    def allowed(self) -> bool:
        return self.will_do and not self.bounds.text


def rank(needs: Requirements, offers: Sequence[Offer], work: Duration, limits: Limits) -> list[Judged]:
    """All of them, the best first; those that will do but are not allowed next, then the rest. Each offer once."""
    judged = [_judge(needs, offer, work, limits) for offer in dict.fromkeys(offers)]
    units = unit_order([one.offer for one in judged if one.allowed], limits)

    def key(one: Judged) -> tuple[Any, ...]:
        unit = units.get(one.offer.hourly.currency, len(units)) if paid(one.offer) else -1
        gamble, *rest = one.key
        return not one.allowed, not one.will_do, not one.offer.priced, paid(one.offer), gamble, unit, *rest

    return sorted(judged, key=key)


def candidates(needs: Requirements, ranked: Sequence[Judged], chosen: Judged, *, by: str = "") -> tuple[Candidate, ...]:
    """The chosen one first, each of the others with the reason why it lost. `by` is who chose, "" for the order."""
    place = next(number for number, one in enumerate(ranked) if one is chosen)
    losers = [(one, by if number < place else "") for number, one in enumerate(ranked) if number != place]
    return (
        _candidate(chosen, ""),
        *(_candidate(one, _why_not(needs, one, chosen, who)) for one, who in losers),
    )


def _candidate(one: Judged, lost: str) -> Candidate:
    return Candidate(one.offer, total(one.offer, one.hours), lost, one.hours)


def _judge(needs: Requirements, offer: Offer, work: Duration, limits: Limits) -> Judged:
    hours, _ = hours_on(work, offer)
    found = verdict(needs, offer)
    key = (
        paid(offer) and bool(found.misses), total(offer, work.hours).micros if paid(offer) else 0,
        not paid(offer) and offer.cloud != "local", _waste(needs, offer), len(found.misses), len(found.doubts),
        *_gpus(offer), _volume(offer),
        *offer.place, offer.as_of, repr(offer),
    )  # fmt: skip
    return Judged(offer, hours, found, bounds(offer, hours, limits), key)


def _waste(needs: Requirements, offer: Offer) -> int:
    if needs.gpu.value is GpuNeed.NEEDED:
        return 0
    if needs.gpu.value is GpuNeed.OPTIONAL and offer.gpus:
        return 0 if useful_gpus(needs, offer) else 1 + offer.gpus
    return offer.gpus if needs.gpu.value is GpuNeed.NO else 1


def _gpus(offer: Offer) -> tuple[Any, ...]:
    """Fewer and smaller first, newer first among equals."""
    capability = version_of(offer.compute_capability)
    old = bool(capability) and capability < version_of(CURRENT_CAPABILITY)
    return old, offer.gpus, offer.gpu_memory_bytes, tuple(-part for part in capability)


def _volume(offer: Offer) -> int:
    return max(offer.cpus, 1) * max(offer.memory_bytes >> 20, 1) * max(offer.disk_bytes >> 30, 1)


def _why_not(needs: Requirements, one: Judged, chosen: Judged, by: str) -> str:
    if one.bounds.scope:
        return one.bounds.scope
    if one.verdict.lacks:
        return one.verdict.lacks[0]
    return one.bounds.budget or _outranked(needs, one, chosen, by)


def _outranked(needs: Requirements, one: Judged, chosen: Judged, by: str) -> str:
    offer, best = one.offer, chosen.offer
    if by:
        return f"It ranks higher, but {by} chose {best.machine_type}."
    if not offer.priced:
        return "Nobody has said what it costs."
    unit = offer.hourly.currency
    costs, less = total(offer, one.hours), total(best, chosen.hours)
    if paid(offer) and paid(best) and unit != best.hourly.currency:
        if one.verdict.misses and not chosen.verdict.misses:
            return f"It would cost {costs} {span(one.hours)}, but: {one.verdict.misses[0]}"
        return f"It is priced in {unit}, which is not compared with {best.hourly.currency}."
    if not paid(offer) or (offer.hourly == best.hourly and costs == less):
        return _same_price(needs, one, chosen)
    if not paid(best):
        return f"It costs {costs} {span(one.hours)}, {best.machine_type} nothing."
    if one.verdict.misses and costs.micros < less.micros:
        return f"It would cost {costs} {span(one.hours)}, but: {one.verdict.misses[0]}"
    compared = f"it costs {costs} {span(one.hours)}, {best.machine_type} {less}."
    if needs.gpu.value is GpuNeed.NO and offer.gpus:
        return f"Its GPU would not be used, and {compared}"
    return compared[0].upper() + compared[1:]


def _same_price(needs: Requirements, one: Judged, chosen: Judged) -> str:
    best = chosen.offer
    twin = one.offer.machine_type == best.machine_type and best.region
    same = f"It costs the same as {f'the one in {best.region}' if twin else best.machine_type}"
    if one.verdict.misses and not chosen.verdict.misses:
        return f"{same}, but: {one.verdict.misses[0]}"
    if needs.gpu.value is GpuNeed.NO and one.offer.gpus > chosen.offer.gpus:
        return f"{same}, and its GPU would not be used."
    if needs.gpu.value is GpuNeed.OPTIONAL and useful_gpus(needs, chosen.offer) and not useful_gpus(needs, one.offer):
        return f"{same}, and has no GPU that it could use."
    if one.verdict.misses:
        return f"{same}, but: {one.verdict.misses[0]}"
    if len(one.verdict.doubts) > len(chosen.verdict.doubts):
        return f"{same}, but {one.verdict.doubts[0]}."
    if best.gpus and _gpus(one.offer)[0] > _gpus(best)[0]:
        return f"{same}, and its GPUs are of an older generation."
    if _gpus(one.offer)[1:3] > _gpus(best)[1:3]:
        return f"{same} and is larger than needed."
    if _gpus(one.offer) > _gpus(best):
        return f"{same}, and its GPUs are older."
    if _volume(one.offer) > _volume(best):
        return f"{same} and is larger than needed."
    return f"{same} and is no better."
