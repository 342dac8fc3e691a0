# SPDX-License-Identifier: Apache-2.0
"""Whether an offer will do, by its properties and never by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from homeport.model.evidence import Inferred, Origin
from homeport.model.plan import Offer
from homeport.model.quantity import ARCHES
from homeport.model.requirements import Requirements, firm
from homeport.model.size import as_size
from homeport.plan.gpufit import check_gpus
from homeport.plan.shortfall import NOMINAL, Shortfall, typed, weigh

_SHARED = "of memory for its shared memory"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Each in sentences. `lacks`: it will not do. `misses`: less than an estimate, or than is assumed. `doubts`: the
    offer does not say."""

    lacks: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    distance: int = 0
    """How far it is from doing it; 0: it will do."""
    flags: tuple[str, ...] = ()
    """For each of `lacks`, what one would say to ask for no more than it has; "" where nothing helps."""


def verdict(needs: Requirements, offer: Offer) -> Verdict:
    """What is firm rules out what has less. An estimate rules out what has less than `shortfall.GROSS` of it."""
    found = [*_availability(offer), *_sizes(needs, offer), *_arch(needs, offer), *check_gpus(needs, offer)]
    lacks = [one for one in found if one.lacking]
    return Verdict(
        lacks=tuple(one.text for one in lacks),
        misses=tuple(one.text for one in found if not one.rules_out and not one.unknown),
        doubts=tuple(one.text for one in found if one.unknown),
        flags=tuple(one.flag for one in lacks),
        distance=sum(one.weight for one in lacks),
    )


def same_arch(one: str, other: str) -> bool:
    """Whether two names are of one architecture: `amd64` is x86_64."""
    return ARCHES.get(one.casefold(), one.casefold()) == ARCHES.get(other.casefold(), other.casefold())


def _availability(offer: Offer) -> Iterator[Shortfall]:
    if offer.available < 1:
        yield Shortfall("None is free now." if not offer.as_of else f"There was none on {offer.as_of}.")


def _sizes(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    kind = offer.machine_type
    sizes = (
        ("of memory", "--memory", offer.memory_bytes, needs.memory_bytes),
        (_SHARED, "--shm", offer.memory_bytes, needs.shared_memory_bytes),
        ("of disk", "--disk", offer.disk_bytes, needs.disk_bytes),
    )
    for what, flag, has, wanted in sizes:
        if wanted is None:
            continue
        if has:
            yield from weigh(
                what, has, wanted.value, firm(wanted), as_size, slack=_slack(wanted), flag=f"{flag} {typed(has)}"
            )
        elif what != _SHARED:
            yield Shortfall(f"how much {what.removeprefix('of ')} {kind} has is not known", unknown=True)
    if needs.cpus is not None and offer.cpus:
        yield from weigh(
            "processors",
            offer.cpus,
            needs.cpus.value,
            firm(needs.cpus),
            lambda count: f"{count:g}",
            flag=f"--cpus {offer.cpus}",
        )
    elif needs.cpus is not None:
        yield Shortfall(f"how many processors {kind} has is not known", unknown=True)


def _slack(wanted: Inferred[int]) -> float:
    return 1.0 if wanted.origin in (Origin.USER, Origin.MANIFEST) else NOMINAL


def _arch(needs: Requirements, offer: Offer) -> Iterator[Shortfall]:
    if not offer.arch or (offer.cloud == "local" and needs.arch is None):
        return
    wanted = needs.arch.value if needs.arch else "x86_64"
    if not same_arch(wanted, offer.arch):
        text = f"Its processors are {offer.arch}, and {wanted} is {'needed' if needs.arch else 'assumed'}."
        yield Shortfall(text, rules_out=firm(needs.arch))
