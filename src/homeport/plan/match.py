# SPDX-License-Identifier: Apache-2.0
"""Whether an offer will do, by its properties, and which of those that will do is best."""

from __future__ import annotations

from collections.abc import Sequence

from homeport.model.money import Money
from homeport.model.plan import Candidate, Offer
from homeport.model.requirements import GpuNeed, Requirements


def judge(requirements: Requirements, offers: Sequence[Offer], hours: float) -> list[Candidate]:
    """All offers: the chosen one first (if any will do), others that would do, then the rest with what they lack."""
    fitting = sorted((offer for offer in offers if not lack(requirements, offer)), key=_preference)
    best = fitting[0] if fitting else None
    judged = [Candidate(offer, total(offer, hours), _why_not(offer, best, hours)) for offer in fitting]
    rest = [
        Candidate(offer, total(offer, hours), lack(requirements, offer)) for offer in offers if offer not in fitting
    ]
    return judged + sorted(rest, key=lambda one: _preference(one.offer))


def total(offer: Offer, hours: float) -> Money:
    """For the whole time; without an end (`hours` 0) for the first hour."""
    return offer.hourly * (hours or 1.0)


def lack(requirements: Requirements, offer: Offer) -> str:
    """What it lacks, in one sentence; "" if it will do."""
    memory = requirements.memory_bytes.value
    if offer.available < 1:
        return "None is free now."
    if requirements.gpu.value is GpuNeed.NEEDED and offer.gpus < 1:
        return "It has no GPU, and one is needed."
    if offer.memory_bytes and offer.memory_bytes < memory:
        return f"It has {mebibytes(offer.memory_bytes)} of memory, and {mebibytes(memory)} is needed."
    return ""


def mebibytes(size: int) -> str:
    gib = size / 2**30
    return f"{gib:.3g} GiB" if gib >= 1 else f"{size / 2**20:.0f} MiB"


def _preference(offer: Offer) -> tuple[bool, bool, str, int, int, int, str, str, str]:
    """Free ones first, then cheaper ones, then the smaller machine. Units of money are not compared with each other."""
    paid = offer.hourly.micros > 0
    currency = offer.hourly.currency if paid else ""
    place = (offer.cloud, offer.region, offer.machine_type)
    return (paid, currency not in ("", "USD"), currency, offer.hourly.micros, offer.gpus, offer.memory_bytes, *place)


def _why_not(offer: Offer, best: Offer | None, hours: float) -> str:
    if best is None or offer is best:
        return ""
    if offer.hourly == best.hourly:
        return (
            f"It costs the same as {best.machine_type} and is larger than needed."
            if offer != best
            else "It is the same."
        )
    if best.hourly.micros and offer.hourly.currency != best.hourly.currency:
        return f"It is priced in {offer.hourly.currency}, which is not compared with {best.hourly.currency}."
    span = f"for {hours:g} h" if hours else "an hour"
    return f"It costs {total(offer, hours)} {span}, {best.machine_type} {total(best, hours)}."
