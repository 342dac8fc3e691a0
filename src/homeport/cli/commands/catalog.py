# SPDX-License-Identifier: Apache-2.0
"""What could be had, at what price, and of which day: no server, no account."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from homeport.cli.group import Verbs
from homeport.cli.output import put, put_json, say, table
from homeport.cli.session import Session
from homeport.errors import NotFound
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.app.catalogue import Refreshed
    from homeport.model.money import Money
    from homeport.model.plan import Offer
    from homeport.model.systemimage import SystemImage

_SHOWN = 20
"""Lines of each kind of change."""


@click.group(cls=Verbs)
def catalog() -> None:
    """What could be had, and at what price."""


@catalog.command("list")
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target's; may be repeated.")
@click.pass_obj
def list_offers(session: Session, targets: tuple[str, ...]) -> None:
    """Every offer of every target, with the day it is of."""
    offers, _, notes = _read(session)
    found = [offer for offer in offers if not targets or offer.cloud in targets]
    for target in targets:
        if not any(offer.cloud == target for offer in offers):
            known = ", ".join(dict.fromkeys(offer.cloud for offer in offers))
            raise NotFound(
                f"there is no target {target!r}", operation="catalog", subject=target, hint=f"one of: {known}"
            )
    if session.json:
        put_json(found)
        return
    for line in _by_target(found):
        put(line)
    for note in notes:
        say(f"note: {note}")


@catalog.command()
@click.argument("type", metavar="TYPE")
@click.pass_obj
def show(session: Session, type: str) -> None:
    """Everything known about TYPE, in every place that offers it."""
    from difflib import get_close_matches

    from homeport.app.catalogue import current_facts
    from homeport.plan.images import starts

    offers, images, _ = _read(session)
    found = [offer for offer in offers if offer.machine_type == type]
    if not found:
        near = get_close_matches(type, dict.fromkeys(offer.machine_type for offer in offers), n=3, cutoff=0.5)
        hint = f"like it there are: {', '.join(near)}" if near else "see them all with: homeport catalog list"
        raise NotFound(f"nobody offers {type!r}", operation="catalog", subject=type, hint=hint)
    fitting = [image for image in images if any(starts(image, offer) for offer in found)]
    clouds = {offer.cloud for offer in found if offer.as_of}
    origins = {one.cloud: one.origin for one in current_facts(session.settings)[0] if one.cloud in clouds}
    if session.json:
        put_json({"offers": found, "images": fitting, "origins": origins})
        return
    for offer in found:
        first, *others = _properties(offer)
        for line in table(first, others):
            put(line)
        put()
    if fitting:
        put(f"images: {', '.join(image.name for image in fitting)}")
    for cloud, origin in origins.items():
        put(f"{cloud}: {origin}")


@catalog.command()
@click.option("--target", "targets", multiple=True, metavar="NAME", help="Only this target's; may be repeated.")
@click.pass_obj
def refresh(session: Session, targets: tuple[str, ...]) -> int:
    """Ask Linode and Chameleon what they publish now, and show what has changed. No account is needed.

    What cannot be had or understood leaves the facts as they were; the exit code says so.
    """
    import asyncio

    from homeport.app.catalogue import refresh as renew

    say("asking " + (", ".join(targets) or "every cloud that publishes facts") + " …")
    found = asyncio.run(renew(session.settings, targets))
    if session.json:
        put_json([_changes(one) for one in found])
    else:
        for one in found:
            for line in _told(one):
                put(line)
    troubles = [one.trouble for one in found if one.trouble is not None]
    for trouble in troubles if not session.json else ():
        say(f"error: {trouble.message}")
    return troubles[0].exit_code if troubles else 0


def _read(session: Session) -> tuple[list[Offer], list[SystemImage], list[str]]:
    import asyncio

    from homeport.app.catalogue import offers_and_images

    return asyncio.run(offers_and_images(session.settings))


def _by_target(offers: Sequence[Offer]) -> Iterator[str]:
    for target, of in dict.fromkeys((offer.cloud, offer.as_of) for offer in offers):
        yield f"{target}, {f'as of {of}' if of else 'now'}"
        rows = (
            (f"  {offer.region or 'any'}", offer.machine_type, offer.cpus or "?", _size(offer.memory_bytes),
             _gpus(offer), _hourly(offer))
            for offer in offers
            if (offer.cloud, offer.as_of) == (target, of)
        )  # fmt: skip
        yield from table(("  REGION", "TYPE", "CPUS", "MEMORY", "GPUS", "PRICE/H"), rows)
        yield ""


def _properties(offer: Offer) -> Iterator[tuple[str, str]]:
    yield "target", offer.cloud
    yield "region", offer.region or "any"
    yield "type", offer.machine_type
    yield "processors", f"{offer.cpus or '?'}, {offer.arch or 'of several kinds'}"
    yield "memory", _size(offer.memory_bytes)
    yield "disk", _size(offer.disk_bytes)
    yield "GPUs", _gpus(offer)
    if offer.compute_capability:
        yield "capability", offer.compute_capability
    yield "price", _hourly(offer) + (" an hour" if offer.priced and offer.hourly.micros else "")
    if offer.monthly.micros:
        yield "at most", f"{_amount(offer.monthly)} a month"
    if offer.longest_hours:
        yield "leased for", f"at most {offer.longest_hours:g} h"
    yield "nodes", str(offer.available)
    yield "as of", offer.as_of or "now"


def _gpus(offer: Offer) -> str:
    if not offer.gpus:
        return "-"
    each = f" {_size(offer.gpu_memory_bytes)}" if offer.gpu_memory_bytes else ""
    return f"{offer.gpus} x {offer.gpu_model or 'GPU'}{each}"


def _size(count: int) -> str:
    return as_size(count) if count else "?"


def _hourly(offer: Offer) -> str:
    if not offer.priced:
        return "not priced"
    return _amount(offer.hourly) if offer.hourly.micros else "free"


def _amount(money: Money) -> str:
    """All of it, where `Money` rounds: an old and a new price may differ by parts of a cent."""
    whole = f"{money.micros / 1e6:,.6f}".rstrip("0")
    whole += "0" * max(0, 2 - len(whole.partition(".")[2]))
    return f"${whole}" if money.currency == "USD" else f"{whole.removesuffix('.00')} {money.currency}"


def _changes(one: Refreshed) -> dict[str, object]:
    return {
        "cloud": one.cloud,
        "was": one.before.as_of,
        "as_of": one.after.as_of,
        "offers": len(one.after.offers),
        "added": one.difference.added,
        "removed": one.difference.removed,
        "moved": one.difference.moved,
        "error": one.trouble.to_dict() if one.trouble else None,
    }


def _told(one: Refreshed) -> Iterator[str]:
    if one.trouble is not None:
        yield f"{one.cloud}: the facts of {one.before.as_of} stay"
        return
    changed = one.difference
    yield (
        f"{one.cloud}: {len(one.after.offers)} offers of {one.after.as_of} (before: {len(one.before.offers)} of "
        f"{one.before.as_of}); {len(changed.added)} added, {len(changed.removed)} removed, "
        f"{len(changed.moved)} at another price"
    )
    yield from _first([f"  + {_called(offer)}  {_hourly(offer)}" for offer in changed.added])
    yield from _first([f"  - {_called(offer)}" for offer in changed.removed])
    yield from _first(
        [f"  ~ {_called(one.after)}  {_hourly(one.before)} -> {_hourly(one.after)}" for one in changed.moved]
    )


def _first(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"    and {len(lines) - _SHOWN} more"


def _called(offer: Offer) -> str:
    return f"{offer.region}/{offer.machine_type}" if offer.region else offer.machine_type
