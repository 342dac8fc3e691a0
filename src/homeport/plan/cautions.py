# SPDX-License-Identifier: Apache-2.0
"""What to know before saying yes."""

from __future__ import annotations

from collections.abc import Iterator

from homeport.model.evidence import Origin
from homeport.model.limits import Limits
from homeport.model.paths import printable
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements, firm
from homeport.model.size import as_size
from homeport.plan.bounds import least
from homeport.plan.duration import Duration, lease_warning
from homeport.plan.gpufit import vendor_name
from homeport.plan.price import MONTH, at_most, paid, total
from homeport.plan.rank import Judged
from homeport.plan.refusal import because
from homeport.plan.steps import builds


def cautions(needs: Requirements, chosen: Judged, work: Duration, limits: Limits, runtime: str) -> Iterator[str]:
    """One sentence each, the dearest first."""
    yield from _of_money(chosen, limits)
    yield from needs.warnings
    if lease := lease_warning(work, chosen.offer):
        yield lease
    yield from _of_the_machine(needs, chosen)
    if needs.memory_bytes.origin is Origin.DEFAULT:
        size = as_size(needs.memory_bytes.value)
        yield f"nothing says how much memory it needs: it gets {size}; change with --memory"
    if needs.start is None and needs.image is None and not builds(needs, runtime):
        yield "nothing says how it starts: it can be planned, and takes --start COMMAND to be deployed"
    elif needs.port is None:
        yield "no port was found: the default is used, and PORT tells the agent; change with --port"
    if needs.ecosystem.value is Ecosystem.DOCKERFILE and runtime == "process":
        yield "only a Dockerfile describes it: its packages are not installed without a container engine"


def _of_money(chosen: Judged, limits: Limits) -> Iterator[str]:
    offer, hours = chosen.offer, chosen.hours
    if not offer.priced:
        yield f"nobody has said what {offer.machine_type} on {offer.cloud} costs: this plan has no price"
    if not paid(offer):
        return
    if not hours:
        budget = least(limits.total, offer.hourly.currency)
        if budget is not None:
            yield f"the budget of {budget} lasts {budget.micros // offer.hourly.micros} h; nothing stops it then"
        month = f", {total(offer, MONTH)} a month" if offer.monthly.micros else ""
        yield f"it runs until stopped and costs {offer.hourly} an hour{month}; the total is for the first one"
    elif at_most(offer, hours) != total(offer, hours):
        yield (
            f"the total counts on the cap of {offer.monthly} a month; where the time spans the turn of a month it can "
            f"be {at_most(offer, hours)}"
        )
    if offer.as_of and offer.region in limits.regions and not offer.longest_hours and offer.cloud != "kubernetes":
        yield f"whether {offer.cloud} has {offer.machine_type} in {printable(offer.region, 80)} was not asked"
    if offer.as_of:
        yield f"prices and numbers of {offer.cloud} are those of {offer.as_of}; what is free now was not asked"


def _of_the_machine(needs: Requirements, chosen: Judged) -> Iterator[str]:
    offer = chosen.offer
    if needs.gpu.value is GpuNeed.OPTIONAL and not offer.gpus:
        yield f"it can use a GPU{because(needs.gpu)}; {offer.machine_type} has none, so it may be slow"
    maker = needs.gpu_vendor
    if maker is not None and maker.value in ("apple", "tpu") and firm(maker) and offer.gpu_vendor != maker.value:
        yield f"it is made for {vendor_name(maker.value)}{because(maker)}, and {offer.machine_type} is no such machine"
    if needs.gpu.value is GpuNeed.NO and offer.gpus and paid(offer):
        yield f"the GPU of {offer.machine_type} would not be used"
    yield from (f"{offer.machine_type}: {text[0].lower()}{text[1:]}" for text in chosen.verdict.misses)
    yield from chosen.verdict.doubts
