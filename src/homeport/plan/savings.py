# SPDX-License-Identifier: Apache-2.0
"""What would make it cheaper, and by how much. Each sentence is computed by planning again with that one change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from homeport.model.limits import Limits
from homeport.model.plan import Offer
from homeport.model.requirements import GpuNeed, Requirements, firm
from homeport.model.size import as_size
from homeport.plan.duration import Duration
from homeport.plan.price import paid, span, total
from homeport.plan.rank import Judged, rank

MOST = 5
_FEWER = (0.5, 0.25)
"""Parts of an estimate of GPU memory: weights of 8 and of 4 bits instead of 16."""


def cheaper(
    needs: Requirements, ranked: Sequence[Judged], chosen: Judged, work: Duration, limits: Limits
) -> tuple[str, ...]:
    """At most 5 sentences, none where it costs nothing."""
    if not paid(chosen.offer):
        return ()
    offers = [one.offer for one in ranked]
    found = (
        *_elsewhere(ranked, chosen),
        *_without_gpu(needs, offers, chosen, work, limits),
        *_quantised(needs, offers, chosen, work, limits),
        *_smaller(ranked, chosen),
        *_shorter(chosen, work),
    )
    return tuple(dict.fromkeys(found))[:MOST]


def _elsewhere(ranked: Sequence[Judged], chosen: Judged) -> Iterator[str]:
    """What was left out by the user's own limits, or is paid for in another unit."""
    fitting = [one for one in ranked if one.will_do and one.offer.priced and one is not chosen]
    if ranked[0] is not chosen and _saves(ranked[0], chosen):
        yield f"{ranked[0].offer.called}, which ranks higher, {_costs(ranked[0], chosen)}"
    outside = [one for one in fitting if one.bounds.scope and _saves(one, chosen)]
    if outside:
        best = min(outside, key=lambda one: (total(one.offer, one.hours).micros, one.key))
        yield f"{best.offer.called}, which was not asked for, {_costs(best, chosen)}"
    units = {chosen.offer.hourly.currency}
    for one in fitting:
        unit = one.offer.hourly.currency
        if not one.bounds.text and not one.verdict.misses and paid(one.offer) and unit not in units:
            units.add(unit)
            cost = total(one.offer, one.hours)
            yield (
                f"{one.offer.called} costs {cost} {span(one.hours)} and no {chosen.offer.hourly.currency}: "
                f"--target {one.offer.cloud}"
            )


def _without_gpu(
    needs: Requirements, offers: Sequence[Offer], chosen: Judged, work: Duration, limits: Limits
) -> Iterator[str]:
    if needs.gpu.value is GpuNeed.OPTIONAL and chosen.offer.gpus:
        best = _best(replace(needs, gpu=replace(needs.gpu, value=GpuNeed.NO)), offers, work, limits)
        if best is not None and _saves(best, chosen):
            yield f"without a GPU, which is optional, {best.offer.called} {_costs(best, chosen)}: --gpu no"


def _quantised(
    needs: Requirements, offers: Sequence[Offer], chosen: Judged, work: Duration, limits: Limits
) -> Iterator[str]:
    wanted = needs.vram_bytes
    if wanted is None or firm(wanted) or needs.gpu.value is not GpuNeed.NEEDED:
        return
    for part in _FEWER:
        fewer = replace(wanted, value=int(wanted.value * part))
        best = _best(replace(needs, vram_bytes=fewer), offers, work, limits)
        if best is not None and not best.verdict.misses and _saves(best, chosen):
            size = f"{as_size(fewer.value)} of GPU memory"
            yield f"if {size} is enough (weights of fewer bits), {best.offer.called} {_costs(best, chosen)}"
            return


def _smaller(ranked: Sequence[Judged], chosen: Judged) -> Iterator[str]:
    """One that misses an estimate, though not by so much that it is ruled out."""
    close = [
        one for one in ranked
        if not one.bounds.text and one.offer.priced and _saves(one, chosen)
        and one.will_do and one.verdict.misses
    ]  # fmt: skip
    if close:
        best = min(close, key=lambda one: (len(one.verdict.misses), total(one.offer, one.hours).micros, one.key))
        yield f"{best.offer.called} {_costs(best, chosen)}; it misses an estimate: {best.verdict.misses[0]}"


def _shorter(chosen: Judged, work: Duration) -> Iterator[str]:
    offer, hours = chosen.offer, chosen.hours
    if not hours:
        return
    less = hours / 2
    saved = total(offer, hours).micros - total(offer, less).micros
    if saved > 0 and work.by not in ("user", "documented") and hours >= 2:
        amount = replace(offer.hourly, micros=saved)
        yield f"for {less:g} h instead of {hours:g} h it costs {amount} less: --hours {less:g}"


def _best(needs: Requirements, offers: Sequence[Offer], work: Duration, limits: Limits) -> Judged | None:
    ranked = rank(needs, offers, work, limits)
    return ranked[0] if ranked and ranked[0].allowed else None


def _saves(one: Judged, chosen: Judged) -> bool:
    """For the same time: a shorter lease is not cheaper for being shorter."""
    if not paid(one.offer):
        return one.offer.priced
    if one.offer.hourly.currency != chosen.offer.hourly.currency:
        return False
    return total(one.offer, chosen.hours).micros < total(chosen.offer, chosen.hours).micros


def _costs(one: Judged, chosen: Judged) -> str:
    if not paid(one.offer):
        return "costs nothing"
    here, there = total(chosen.offer, chosen.hours), total(one.offer, chosen.hours)
    return f"costs {there} {span(chosen.hours)} instead of {here}"
