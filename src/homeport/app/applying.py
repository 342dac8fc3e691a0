# SPDX-License-Identifier: Apache-2.0
"""A plan that was kept: read, its digest compared, and held against the world as it is now.

Nothing is decided anew: a plan holds exactly, or it is refused with what has moved, a line for each.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from homeport.app.catalogue import offers_and_images
from homeport.app.compose import clouds, fetchers
from homeport.app.engine import LazyImages
from homeport.errors import HomeportError, StalePlan, UsageError
from homeport.interfaces.fetcher import Progress
from homeport.model.codec import from_builtins, to_builtins, unpack
from homeport.model.locator import asked_for
from homeport.model.paths import printable
from homeport.model.plan import Offer, Plan, plan_id
from homeport.model.source import Source
from homeport.model.systemimage import SystemImage
from homeport.plan import builds
from homeport.run.unbuilt import refuse_unbuilt
from homeport.settings import Settings

LARGEST = 16 * 2**20
"""Bytes of a plan that are read."""

_NOT_COMPARED = frozenset({"available", "as_of"})
"""How many are free moves all the time, and the day of a table is not what stands in it."""
_BYTES = frozenset({"memory_bytes", "disk_bytes", "gpu_memory_bytes"})


def read_plan(raw: bytes) -> Plan:
    """From `plan -o` or `plan --json`, of this version or an older one.

    Raises `UsageError` for what is no plan, and for one that was changed by hand: its id is the digest of what it says.
    """
    if len(raw) > LARGEST:
        raise UsageError(f"it is larger than {LARGEST} bytes: no plan", operation="apply")
    try:
        found = json.loads(raw)
        stored = isinstance(found, dict) and "kind" in found
        said: Any = found["data"] if stored else found
        plan = unpack(raw, Plan) if stored else from_builtins(said, Plan)
        ids = {_digest(said), _digest(to_builtins(plan))}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        why = f": {printable(str(error), 200)}" if isinstance(error, ValueError) else ""
        raise UsageError(f"it is no plan{why}", operation="apply", hint="`homeport plan -o FILE` makes one") from None
    except HomeportError as error:
        raise UsageError(error.message, operation="apply", hint=error.hint) from None
    if plan.id not in ids:
        raise UsageError(
            f"it is not what it was when {printable(plan.id, 60)} was made: somebody changed it",
            operation="apply", subject=plan.id,
            hint="say what you want by options of `homeport plan`, and keep a new one with -o",
        )  # fmt: skip
    return plan


def check_target(plan: Plan, settings: Settings) -> None:
    """Raises `UsageError` where this version cannot start a machine on the plan's target."""
    if plan.chosen.cloud not in clouds(settings):
        raise no_driver(plan.chosen.cloud)


def check_programs(plan: Plan, settings: Settings) -> None:
    """Raises `Unavailable` where the plan starts a program that this machine lacks and that no image brings.

    Of another machine, and of what is in an image, nothing is known here.
    """
    image = plan.runtime == "docker" and settings.docker_base
    if plan.chosen.cloud == "local" and not settings.url and not image:
        needs = plan.requirements
        refuse_unbuilt(needs, builds=builds(needs, plan.runtime), has=lambda name: shutil.which(name) is not None)


def no_driver(cloud: str) -> UsageError:
    return UsageError(
        f"machines of {printable(cloud, 60)} can be planned, but this version cannot start them", operation="deploy",
        subject=cloud, hint="plan for this machine with --target local, if it will do",
    )  # fmt: skip


async def check_holds(plan: Plan, settings: Settings, *, progress: Progress | None = None) -> None:
    """Reads the source again and asks for offers again. Raises `StalePlan` naming all that moved."""
    source = await _source_now(plan.source, settings, progress)
    offers, images, _ = await offers_and_images(settings)
    if lines := differences(plan, source, offers, images):
        raise StalePlan(
            "\n".join([f"the plan for {plan.name} does not hold any more:", *(f"  - {line}" for line in lines)]),
            operation="apply", subject=plan.id, hint="look at a new one: homeport plan SOURCE -o FILE",
        )  # fmt: skip


def differences(
    plan: Plan, source: Source, offers: Sequence[Offer], images: Sequence[SystemImage] = ()
) -> tuple[str, ...]:
    """What moved since the plan was made, a line for each; nothing where it holds. Pure.

    `images` are those on offer; a cloud of which none is known is not asked for the plan's.
    """
    return (*_of_source(plan.source, source), *_of_offer(plan.chosen, offers), *_of_image(plan, images))


def _of_source(then: Source, now: Source) -> list[str]:
    where = printable(then.locator, 120)
    if then.commit and then.commit != now.commit:
        return [f"{where}: commit {then.commit[:12]} → {now.commit[:12] or 'none'}"]
    if then.digest != now.digest:
        return [f"{where}: its files are not what they were ({_short(then.digest)} → {_short(now.digest)})"]
    return []


def _of_offer(then: Offer, offers: Sequence[Offer]) -> list[str]:
    name = then.path
    same = [one for one in offers if one.place == then.place] or [
        replace(one, region=then.region)
        for one in offers
        if not one.region and (one.cloud, one.machine_type) == (then.cloud, then.machine_type)
    ]  # a table that names no regions: the plan's is the one that was asked for (`plan.bounds.placed`)
    if not same:
        return [f"{name}: not on offer any more"]
    found = [_moved(then, one) for one in same]
    lines = min(found, key=len)
    free = any(one.available > 0 for one, moved in zip(same, found, strict=True) if len(moved) == len(lines))
    return [f"{name}: {line}" for line in (*lines, *(() if free else ("none is free now",)))]


def _of_image(plan: Plan, images: Sequence[SystemImage]) -> list[str]:
    there = [one for one in images if one.cloud == plan.chosen.cloud]
    if plan.image is None or not there:
        return []
    then = plan.image.image
    same = [one for one in there if (one.name, one.region) == (then.name, then.region)]
    if not same:
        return [f"image {printable(then.name, 100)}: not on offer any more"]
    if then.id and all(one.id not in ("", then.id) for one in same):
        return [f"image {printable(then.name, 100)}: made anew ({then.id[:12]} → {same[0].id[:12]})"]
    return []


def _moved(then: Offer, now: Offer) -> tuple[str, ...]:
    lines = []
    for field in fields(Offer):
        before, after = getattr(then, field.name), getattr(now, field.name)
        if before != after and field.name not in _NOT_COMPARED:
            what = _NAMES.get(field.name, field.name)
            lines.append(f"{what} {_told(field.name, before)} → {_told(field.name, after)}")
    return tuple(lines)


_NAMES = {
    "hourly": "price an hour", "monthly": "price a month at most", "memory_bytes": "memory", "disk_bytes": "disk",
    "gpu_memory_bytes": "memory of a GPU", "gpu_vendor": "vendor of the GPU", "gpu_model": "GPU",
    "compute_capability": "compute capability", "longest_hours": "longest lease in hours",
}  # fmt: skip


def _told(field: str, value: Any) -> str:
    if field in _BYTES:
        return f"{value / 2**30:.4g} GiB" if value else "unknown"
    return printable(str(value), 60) or "none"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def _digest(said: dict[str, Any]) -> str:
    """As `make_plan` makes an id: of everything but the id and the time."""
    return plan_id({**said, "id": "", "made_at_us": 0})


async def _source_now(source: Source, settings: Settings, progress: Progress | None) -> Source:
    locator, ref = asked_for(source)
    images = LazyImages(settings)
    try:
        fetcher = fetchers(settings, images)[source.kind]
        view = await fetcher.fetch(locator, ref=ref, progress=progress)
        view.close()
        return view.source
    finally:
        await images.close()
