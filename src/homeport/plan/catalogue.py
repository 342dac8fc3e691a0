# SPDX-License-Identifier: Apache-2.0
"""Offers and images where no cloud was asked: the dated tables of `facts/`, and how newer facts differ from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from homeport.model.facts import LEASE_HOURS, SERVICE_UNIT, SEVERAL, Facts
from homeport.model.money import FREE, Money
from homeport.model.plan import Offer
from homeport.model.systemimage import SystemImage
from homeport.plan.gpus import with_gpu_facts

OLD_DAYS = 90
"""Older facts are told about."""


@lru_cache(maxsize=1)
def embedded() -> tuple[Facts, ...]:
    """The tables that came with this version: Chameleon's and Linode's."""
    images = _table("images")
    tables = {"chameleon": _of_chameleon, "linode": _of_linode}
    return tuple(
        completed(read(_table(cloud), _images(cloud, images[cloud]["rows"]))) for cloud, read in tables.items()
    )


def completed(facts: Facts) -> Facts:
    """The same with what the names of its GPUs tell."""
    return replace(facts, offers=tuple(with_gpu_facts(offer) for offer in facts.offers))


def chosen(came: Facts, fetched: Facts | None) -> Facts:
    """The newer of the facts that came with this version and those that were fetched.

    Where the cloud publishes no images, the ones that came are kept.
    """
    if fetched is None or fetched.as_of < came.as_of:
        return came
    return fetched if fetched.images else replace(fetched, images=came.images)


def age(as_of: str, today: date) -> int:
    """Days since then; 0 for a day to come."""
    return max(0, (today - date.fromisoformat(as_of)).days)


@dataclass(frozen=True, slots=True)
class Moved:
    """An offer that is there before and after, and costs something else."""

    before: Offer
    after: Offer


@dataclass(frozen=True, slots=True)
class Difference:
    added: tuple[Offer, ...] = ()
    removed: tuple[Offer, ...] = ()
    moved: tuple[Moved, ...] = ()


def difference(before: Facts, after: Facts) -> Difference:
    """What came, went, or has another price; each in the order of its place."""
    old, new = _by_place(before.offers), _by_place(after.offers)
    return Difference(
        added=tuple(new[place] for place in sorted(new.keys() - old.keys())),
        removed=tuple(old[place] for place in sorted(old.keys() - new.keys())),
        moved=tuple(
            Moved(old[place], new[place])
            for place in sorted(old.keys() & new.keys())
            if _price(old[place]) != _price(new[place])
        ),
    )


def _by_place(offers: Sequence[Offer]) -> dict[tuple[str, str, str], Offer]:
    return {offer.place: offer for offer in offers}


def _price(offer: Offer) -> tuple[Money, Money, bool]:
    return (offer.hourly, offer.monthly, offer.priced)


def _table(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(files("homeport.plan.facts").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    return read


def _images(cloud: str, rows: Sequence[Mapping[str, str]]) -> tuple[SystemImage, ...]:
    return tuple(SystemImage(cloud=cloud, **row) for row in rows)


def _of_chameleon(table: Mapping[str, Any], images: tuple[SystemImage, ...]) -> Facts:
    offers = []
    for row in table["rows"]:
        variants = [(vendor.lower(), model, count, gib) for vendor, model, count, gib in row["gpus"]]
        count = min(variant[2] for variant in variants)
        vendors = {variant[0] for variant in variants}
        offers.append(
            Offer(
                cloud="chameleon",
                region=row["site"],
                machine_type=row["type"],
                cpus=row["threads"],
                memory_bytes=row["ram_gib"] << 30,
                disk_bytes=row["disk_gb"] * 10**9,
                gpus=count,
                gpu_memory_bytes=min(variant[3] for variant in variants) << 30,
                gpu_model=SEVERAL.join(dict.fromkeys(variant[1] for variant in variants)) if count else "",
                gpu_vendor=vendors.pop() if count and len(vendors) == 1 else "",
                arch=row["arch"],
                hourly=SERVICE_UNIT,
                available=row["nodes"],
                longest_hours=LEASE_HOURS,
                as_of=table["as_of"],
            )
        )
    return Facts("chameleon", table["as_of"], table["origin"], tuple(offers), images)


def _of_linode(table: Mapping[str, Any], images: tuple[SystemImage, ...]) -> Facts:
    offers = tuple(
        Offer(
            cloud="linode",
            region="",
            machine_type=row["type"],
            cpus=row["cpus"],
            memory_bytes=round(row["ram_gib"] * 2**30),
            disk_bytes=round(row["disk_gib"] * 2**30),
            gpus=row["gpus"],
            gpu_model=row["gpu"],
            hourly=_dollars(row["hourly"]),
            monthly=_dollars(row["monthly"]),
            priced=bool(Decimal(row["hourly"])),
            as_of=table["as_of"],
        )
        for row in table["rows"]
    )
    return Facts("linode", table["as_of"], table["origin"], offers, images)


def _dollars(text: str) -> Money:
    return Money(int(Decimal(text) * 1_000_000)) if text else FREE
