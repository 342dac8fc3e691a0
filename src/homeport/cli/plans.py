# SPDX-License-Identifier: Apache-2.0
"""A plan as text: the choice first, then every target beside it, the reasons, and what will be done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from homeport.cli.sheet import paragraph, reasoned, terminal_width
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.model.money import Money
    from homeport.model.plan import Candidate, Offer, Plan, Quote

RUNNERS_UP = 5


def plan_lines(plan: Plan, *, width: int = 0, every: bool = False) -> Iterator[str]:
    """Lines of at most `width` columns (0: the terminal's). `every`: all candidates, not only the first few."""
    width = width or terminal_width()
    yield f"The plan for {plan.name}"
    yield from paragraph(choice(plan), width, first="  ")
    for remark in remarks(plan):
        yield from paragraph(remark, width, first="  ")
    if len(plan.quotes) > 1:
        yield from ("", "Every target")
        yield from _quotes(plan, width)
    yield from _others(plan, width, every=every)
    if plan.image is not None:
        yield from ("", "System")
        yield from _image(plan, width)
    yield from ("", "Steps")
    for number, step in enumerate(plan.steps, 1):
        yield from paragraph(step, width, first=f"{number:>3}. ")
    if plan.cheaper:
        yield from ("", "Cheaper")
        for text in plan.cheaper:
            yield from paragraph(text, width, first="  - ")
    if plan.advised:
        yield from ("", "Changed by a model, within its bounds")
        for one in plan.advised:
            reasoning = f": {one.reasoning}" if one.reasoning else ""
            what = one.field if one.field == one.decision else f"{one.decision}, {one.field}"
            text = f"{what}: {one.was or 'nothing'} → {one.became}{reasoning}"
            yield from paragraph(text, width, first="  * ", rest="    ")
    yield ""
    for warning in plan.warnings:
        yield from paragraph(warning, width, first="note: ")
    yield plan.id


def choice(plan: Plan) -> str:
    """What was chosen, for how long, and what that costs in all: one sentence."""
    offer = plan.chosen
    machine = offer.machine_type if offer.cloud == "local" else offer.called
    span = f"for {plan.hours:g} h" if plan.hours else "until stopped"
    if not offer.priced:
        return f"{machine}, {span}; what it costs is not known."
    if not offer.hourly.micros:
        return f"{machine}, {span}: free."
    monthly = f", at most {offer.monthly} a month" if offer.monthly.micros else ""
    if plan.hours:
        return f"{machine}, {span}: {plan.total} in all ({offer.hourly} an hour{monthly})."
    return f"{machine}, {span}: {offer.hourly} an hour{monthly}."


def remarks(plan: Plan) -> Iterator[str]:
    """What it has, why so long, who chose it, what runs it: a line for each that there is to say."""
    offer = plan.chosen
    yield f"It has {has(offer)}{f'; prices of {offer.as_of}' if offer.as_of else ''}."
    if plan.hours_why:
        yield f"Time: {plan.hours_why}"
    if plan.chosen_by:
        yield f"Chosen by {plan.chosen_by}, not by the ranking."
    if plan.runtime != "process":
        yield f"Runtime: {plan.runtime} ({plan.runtime_why})"
    joined = [f"{what} {name}" for what, name in (("network", plan.network), ("key", plan.key)) if name]
    if joined:
        yield f"With {', '.join(joined)}."


def has(offer: Offer) -> str:
    """`2 CPUs, 24 GiB, 1 x A100 of 40 GiB, 512 GiB of disk`; what is not known is left out."""
    parts = [f"{offer.cpus} CPU{'' if offer.cpus == 1 else 's'}"] if offer.cpus else []
    parts += [as_size(offer.memory_bytes)] if offer.memory_bytes else []
    if offer.gpus:
        model = offer.gpu_model or f"{offer.gpu_vendor} GPU".strip()
        memory = f" of {as_size(offer.gpu_memory_bytes)}" if offer.gpu_memory_bytes else ""
        parts.append(f"{offer.gpus} x {model}{memory}")
    parts += [f"{as_size(offer.disk_bytes)} of disk"] if offer.disk_bytes else []
    return ", ".join(parts) or "what it has is not known"


def price(money: Money, offer: Offer) -> str:
    if not offer.priced:
        return "not priced"
    return str(money) if money.micros else "free"


def _quotes(plan: Plan, width: int) -> Iterator[str]:
    head = ("", "TARGET", "MACHINE", "HOURS", "PRICE/H", "TOTAL", "WHY")
    rows = [_quote(quote) for quote in plan.quotes]
    yield from reasoned(head, rows, width, indent="  ", right="lllrrrl", firm=3)


def _quote(quote: Quote) -> tuple[object, ...]:
    offer = quote.offer
    mark = "-" if quote.why else "✔"
    if offer is None:
        return (mark, quote.target, "", "", "", "", quote.why)
    machine = offer.machine_type if offer.region in ("", offer.cloud) else f"{offer.machine_type}, {offer.region}"
    hours = f"{quote.hours:g}" if quote.hours else "open"
    total = str(quote.total) if quote.total.micros and quote.hours else ""
    return (mark, quote.target, machine, hours, price(offer.hourly, offer), total, quote.why)


def _others(plan: Plan, width: int, *, every: bool) -> Iterator[str]:
    lost = [one for one in plan.candidates if one.lost]
    if not lost:
        return
    if not every and not plan.chosen.hourly.micros and plan.chosen.priced:
        yield from ("", f"homeport plan --all shows why each other lost: {len(lost)}.")
        return
    shown = lost if every else runners_up(plan)
    more = f" ({len(shown)} of {len(lost)}; homeport plan --all shows every one)" if len(shown) < len(lost) else ""
    yield from ("", f"Why not another{more}")
    rows = [_candidate(one) for one in shown]
    yield from reasoned(("MACHINE", "TOTAL", "HAS", "WHY"), rows, width, indent="  ", right="lrll", firm=2)


def runners_up(plan: Plan) -> list[Candidate]:
    """The few that one asks about: the next in the order, and of the cheaper ones those that came nearest in price."""
    lost = [one for one in plan.candidates if one.lost]
    cheaper = [
        one for one in lost
        if one.total.currency == plan.total.currency and 0 < one.total.micros < plan.total.micros
        and (one.offer.gpus or not plan.chosen.gpus)
    ]  # fmt: skip
    nearest = sorted(cheaper, key=lambda one: -one.total.micros)[: RUNNERS_UP // 2]
    rest = [one for one in lost if one not in nearest][: RUNNERS_UP - len(nearest)]
    return [one for one in lost if one in rest or one in nearest]


def _candidate(candidate: Candidate) -> Sequence[object]:
    offer = candidate.offer
    place = "/".join(dict.fromkeys(part for part in (offer.cloud, offer.region, offer.machine_type) if part))
    total = price(candidate.total, offer)
    return (place, total if candidate.hours or not offer.hourly.micros else f"{total}/h", has(offer), candidate.lost)


def _image(plan: Plan, width: int) -> Iterator[str]:
    assert plan.image is not None
    image = plan.image.image
    text = f"{image.name} (log in as {image.user}): {plan.image.why}"
    yield from paragraph(text, width, first="  ✔ ")
    for one in plan.image.candidates:
        if one.lost:
            yield from paragraph(f"{one.image.name}: {one.lost}", width, first="    ")
