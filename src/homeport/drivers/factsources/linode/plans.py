# SPDX-License-Identifier: Apache-2.0
"""From Linode's plans, regions and availability to offers. Pure; what cannot be true is refused as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from homeport.drivers.factsources import within
from homeport.drivers.factsources.linode import wire
from homeport.errors import InvalidSource
from homeport.model.money import FREE, Money
from homeport.model.plan import Offer

_MIB = 2**20
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LIMITED = {"gpu": "GPU Linodes", "premium": "Premium Plans"}
"""Plans of these kinds are only in regions with this capability."""
_OTHER_DEVICES = ("accelerated",)
"""Kinds whose price is mostly that of a device which no requirement asks for."""
_MOST_OFFERS = 5_000


def offers(
    plans: Sequence[wire.Plan], regions: Sequence[wire.Region], free: Sequence[wire.Availability], as_of: str
) -> list[Offer]:
    """Region "" means any region without a price of its own. Raises `InvalidSource`."""
    _once("plan", (plan.id for plan in plans))
    _once("region", (region.id for region in regions))
    taken = {(one.plan, one.region) for one in free if not one.available}
    found = []
    for plan in plans:
        _check(plan)
        if plan.kind not in _OTHER_DEVICES:
            found += list(_of_plan(plan, regions, taken, as_of))
        if len(found) > _MOST_OFFERS:
            raise InvalidSource("it names more offers than there can be", operation="catalog", subject="linode")
    return found


def _of_plan(
    plan: wire.Plan, regions: Sequence[wire.Region], taken: set[tuple[str, str]], as_of: str
) -> Iterator[Offer]:
    special = {price.id: wire.Price(price.hourly, price.monthly) for price in plan.region_prices}
    capability = _LIMITED.get(plan.kind)
    if capability is None:
        places = ["", *special]
    else:
        places = [region.id for region in regions if capability in region.capabilities]
    for place in places:
        available = 0 if (plan.id, place) in taken else 1
        yield _offer(plan, place, special.get(place, plan.price), available, as_of)


def _offer(plan: wire.Plan, region: str, price: wire.Price, available: int, as_of: str) -> Offer:
    hourly, monthly = _money(price.hourly, plan.id), _money(price.monthly, plan.id)
    return Offer(
        cloud="linode",
        region=region,
        machine_type=plan.id,
        cpus=plan.vcpus,
        memory_bytes=plan.memory * _MIB,
        disk_bytes=plan.disk * _MIB,
        gpus=plan.gpus,
        gpu_model=plan.label if plan.gpus else "",
        hourly=hourly,
        monthly=monthly,
        priced=hourly.micros > 0,
        available=available,
        as_of=as_of,
    )


def _money(amount: float | None, what: str) -> Money:
    """A plan that is not sold openly has no price, or 0: it is not free of charge."""
    if amount is None:
        return FREE
    within(amount, 0, 1_000_000, f"the price of {what}")
    return Money(round(amount * 1_000_000))


def _check(plan: wire.Plan) -> None:
    _name(plan.id)
    for price in plan.region_prices:
        _name(price.id)
    _once(f"price of {plan.id} in one region", (price.id for price in plan.region_prices))
    within(plan.vcpus, 1, 4096, f"the processors of {plan.id}")
    within(plan.memory, 64, 2**27, f"the memory of {plan.id}")
    within(plan.disk, 0, 2**32, f"the disk of {plan.id}")
    within(plan.gpus, 0, 64, f"the number of GPUs of {plan.id}")
    if len(plan.label) > 200 or not plan.label.isprintable():
        raise InvalidSource(f"the label of {plan.id} is no label", operation="catalog", subject=plan.id)


def _name(text: str) -> None:
    if not _NAME.fullmatch(text):
        raise InvalidSource(f"{text[:80]!r} is no name of a plan or region", operation="catalog", subject=text[:80])


def _once(what: str, names: Iterable[str]) -> None:
    seen = set()
    for name in names:
        _name(name)
        if name in seen:
            raise InvalidSource(f"the {what} {name!r} is there twice", operation="catalog", subject=name)
        seen.add(name)
