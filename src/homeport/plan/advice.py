# SPDX-License-Identifier: Apache-2.0
"""What a model may be asked about a plan, and what its answer may choose. Pure.

Each choice is one among what will do: machines within the user's limits that cost at most `DEARER` times what the plan
costs without a model (so what costs nothing stays free), images that would start on the machine and have the GPU stack
that the best has, hours between a quarter of what is assumed and four times it (assumptions of a day are right within
that span, and a lease or a budget ends it earlier). What the user says, and what documents say of time, is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from homeport.model.advice import Answer, Decision, Pick, Question
from homeport.model.answerschema import answer_schema, choice, fit, words_of
from homeport.model.evidence import Inferred
from homeport.model.limits import Limits
from homeport.model.paths import printable
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import firm
from homeport.model.size import as_size
from homeport.model.systemimage import SystemImage
from homeport.plan.bounds import bounds, least
from homeport.plan.duration import YEAR
from homeport.plan.images import choose_image
from homeport.plan.price import paid

DEARER = 2.0
SHORTER, LONGER = 0.25, 4.0
_LISTED = 20
_FEWEST, CANDIDATES = 3, 5
"""Of images in stage one."""


@dataclass(frozen=True, slots=True)
class Settled:
    """`value` None: nothing is chosen, and `trouble` says why ("" where the model left it as it is)."""

    value: Any = None
    why: str = ""
    trouble: str = ""


def choosable(plan: Plan, fitting: Sequence[Offer]) -> dict[str, Offer]:
    """By the name that it is asked by, the machines that a model may choose, the plan's own among them."""
    costs = {one.offer: one.total for one in plan.candidates}
    found: dict[str, Offer] = {plan.chosen.path: plan.chosen}
    for offer in fitting:
        cost = costs.get(offer)
        if cost is None or not (offer.priced and plan.chosen.priced) or len(found) >= _LISTED:
            continue
        alike = cost.currency == plan.total.currency or not cost.micros
        if alike and cost.micros <= plan.total.micros * DEARER:
            found.setdefault(offer.path, offer)
    return found


def ask_machine(plan: Plan, machines: dict[str, Offer]) -> Question | None:
    """The question; None where there is nothing to choose, or the user chose already."""
    if len(machines) < 2 or plan.chosen_by:
        return None
    costs = {one.offer: one.total for one in plan.candidates}
    lines = [f"- {name}: {_properties(offer)}; {costs[offer]} in all" for name, offer in machines.items()]
    return _question(
        Decision.MACHINE, {"node_type": choice(machines)}, tuple(_needs(plan)),
        f"Choose the machine for the software that the quotes describe. {plan.chosen.path} is chosen now, as the "
        "cheapest that will do. Choose another one only for a reason. Null leaves it as it is.", *lines,
    )  # fmt: skip


def settle_machine(machines: dict[str, Offer], question: Question, answer: Answer) -> Settled:
    """The value is an offer."""
    found = _settled(question, answer, "node_type")
    return Settled(machines.get(found.value), found.why, found.trouble) if found.value else found


def ask_hours(plan: Plan, offer: Offer, limits: Limits, extracts: Sequence[str]) -> Question | None:
    """The question; None where a user or a document said, or it runs until stopped. `offer` is the machine taken."""
    if not plan.hours or not paid(offer) or (plan.requirements.hours is not None and firm(plan.requirements.hours)):
        return None
    low, high = plan.hours * SHORTER, _longest(plan.hours, offer, limits)
    if high <= low:
        return None
    schema = {"type": ["number", "null"], "minimum": low, "maximum": high}
    return _question(
        Decision.HOURS, {"duration_hours": schema}, (*_needs(plan), *extracts),
        f"For how many hours is the machine wanted? {plan.hours:g} are assumed now; between {low:g} and {high:g} can "
        "be had. Null leaves it as it is.",
    )  # fmt: skip


def settle_hours(question: Question, answer: Answer) -> Settled:
    """The value is a number of hours."""
    found = _settled(question, answer, "duration_hours")
    return found if found.value is None else Settled(float(found.value), found.why)


def own_images(plan: Plan, offer: Offer, images: Sequence[SystemImage]) -> dict[str, SystemImage]:
    """By name, the candidates that the plan would take for `offer` by itself, the best first."""
    own, _ = choose_image(plan.requirements, offer, images)
    return {one.image.name: one.image for one in own.candidates} if own else {}


def possible_images(
    plan: Plan, offer: Offer, images: Sequence[SystemImage], own: dict[str, SystemImage]
) -> dict[str, SystemImage]:
    """`own`, and those that the plan would take among its candidates if they were asked for."""
    found = dict(own)
    there = [one for one in images if one.cloud == offer.cloud and one.name not in found]
    for image in there[: _LISTED * 5] if own else ():
        taken, _ = choose_image(plan.requirements, offer, images, [Pick(by="llm", images=(image.name,))])
        if len(found) < _LISTED and taken and image in [one.image for one in taken.candidates]:
            found[image.name] = image
    return found


def ask_images(
    plan: Plan, offer: Offer, possible: dict[str, SystemImage], own: dict[str, SystemImage]
) -> Question | None:
    """Stage one; None where there are no others than the plan's own candidates."""
    if len(possible) <= max(len(own), _FEWEST):
        return None
    lines = [f"- {name}: {_details(image)}" for name, image in possible.items()]
    names = {"type": ["array", "null"], "items": {"type": "string", "enum": list(possible)}}
    return _question(
        Decision.IMAGES, {"candidates": {**names, "minItems": _FEWEST, "maxItems": CANDIDATES}}, tuple(_needs(plan)),
        f"Choose {_FEWEST} to {CANDIDATES} images of an operating system for {printable(offer.machine_type, 60)} that "
        "the software which the quotes describe could run on. Null leaves the choice to the planner.", *lines,
    )  # fmt: skip


def settle_images(question: Question, answer: Answer) -> Settled:
    """The value is a tuple of names."""
    found = _settled(question, answer, "candidates")
    return found if found.value is None else Settled(tuple(dict.fromkeys(found.value)), found.why)


def ask_image(plan: Plan, offer: Offer, images: dict[str, SystemImage]) -> Question | None:
    """Stage two, of the candidates; None where there is nothing to choose."""
    if len(images) < 2:
        return None
    lines = [f"- {name}: {_details(image)}" for name, image in images.items()]
    return _question(
        Decision.IMAGE, {"selected_image": choice(images)}, tuple(_needs(plan)),
        f"Choose one of these images for {printable(offer.machine_type, 60)} by its details. {next(iter(images))} is "
        "chosen now. Null leaves it as it is.", *lines,
    )  # fmt: skip


def settle_image(question: Question, answer: Answer) -> Settled:
    """The value is a name."""
    return _settled(question, answer, "selected_image")


def _longest(hours: float, offer: Offer, limits: Limits) -> float:
    """The most that bounds, the longest lease and the budget leave."""
    most = min(hours * LONGER, YEAR, offer.longest_hours or YEAR)
    budget = least(limits.total, offer.hourly.currency)
    if budget is not None and bounds(offer, most, limits).budget:
        most = min(most, budget.micros // offer.hourly.micros)
    return max(most, hours)


def _settled(question: Question, answer: Answer, name: str) -> Settled:
    if answer.value is None:
        return Settled(trouble=answer.trouble or "no answer came")
    try:
        value = fit(answer.value, question.schema)
    except ValueError as error:
        return Settled(trouble=str(error))
    return Settled(value[name], words_of(value["reasoning"]))


def _question(
    decision: Decision, properties: dict[str, Any], extracts: tuple[str, ...], instructions: str, *lines: str
) -> Question:
    text = "\n".join([instructions, *lines, "In `reasoning` say why, in one or two sentences."])
    return Question(decision, text, extracts, answer_schema(properties))


def _needs(plan: Plan) -> Iterator[str]:
    """What is known of the software: a quote, because words of its files stand in it."""
    needs = plan.requirements
    sizes = (("memory", needs.memory_bytes), ("GPU memory", needs.vram_bytes), ("disk", needs.disk_bytes))
    words = (
        ("kind", needs.kind), ("GPU", needs.gpu), ("GPUs", needs.gpu_count), ("CUDA", needs.cuda), ("ROCm", needs.rocm),
        ("processors", needs.cpus), ("system", needs.os_family), ("release", needs.os_version),
        ("language", needs.language), ("hours", needs.hours),
    )  # fmt: skip
    said = [f"{name}: {as_size(found.value)}{_sure(found)}" for name, found in sizes if found is not None]
    said += [f"{name}: {printable(str(found.value), 40)}{_sure(found)}" for name, found in words if found is not None]
    yield "what was concluded:\n" + "\n".join(said)


def _sure(found: Inferred[Any]) -> str:
    return "" if firm(found) else " (an estimate)"


def _properties(offer: Offer) -> str:
    gpu = f"{offer.gpus} x {offer.gpu_model or 'GPU'} of {as_size(offer.gpu_memory_bytes)}" if offer.gpus else "no GPU"
    parts = (f"{offer.cpus} processors", f"{as_size(offer.memory_bytes)} of memory", gpu, offer.arch)
    return printable(", ".join(parts), 160)


def _details(image: SystemImage) -> str:
    stack = [f"{name} {text}" for name, text in (("CUDA", image.cuda), ("ROCm", image.rocm)) if text]
    made = f"of {image.made_on}" if image.made_on else ""
    return printable(", ".join(filter(None, [f"{image.family} {image.version}", *stack, image.arch, made])), 160)
