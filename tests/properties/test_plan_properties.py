# SPDX-License-Identifier: Apache-2.0
"""Over any offers, needs and limits: the choice fits, nothing that fits as well is cheaper, no limit is exceeded."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.errors import NoCapacity
from homeport.model.codec import pack, unpack
from homeport.model.evidence import Inferred, Origin
from homeport.model.limits import Limits
from homeport.model.money import FREE, Money
from homeport.model.plan import Offer, Plan
from homeport.model.requirements import GpuNeed, Kind, Requirements
from homeport.plan.price import total
from planning_rig import GIB, PLAIN, guessed, planned, said

amounts = st.sampled_from([1, 2, 4, 8, 16])
prices = st.sampled_from([0, 7_500, 36_000, 72_000, 1_000_000]).flatmap(
    lambda micros: st.sampled_from([Money(micros), Money(micros, "SU")]) if micros else st.just(FREE)
)
offers = st.builds(
    Offer,
    cloud=st.sampled_from(["local", "linode", "chameleon"]),
    region=st.sampled_from(["", "uc", "eu"]),
    machine_type=st.sampled_from(["a", "b", "c", "gpu_d"]),
    cpus=amounts,
    memory_bytes=amounts.map(lambda n: n * GIB) | st.just(0),
    disk_bytes=st.just(0) | st.just(100 * GIB),
    gpus=st.sampled_from([0, 0, 1, 2]),
    gpu_memory_bytes=st.sampled_from([0, 16 * GIB, 80 * GIB]),
    gpu_vendor=st.sampled_from(["", "nvidia", "amd"]),
    compute_capability=st.sampled_from(["", "3.7", "8.0"]),
    arch=st.sampled_from(["x86_64", "x86_64", "aarch64"]),
    hourly=prices,
    available=st.sampled_from([1, 1, 5, 0]),
    longest_hours=st.sampled_from([0.0, 0.0, 168.0]),
).map(lambda one: replace(one, monthly=one.hourly * 600) if one.hourly.currency == "USD" else one)


def _some(values: list[Any]) -> st.SearchStrategy[Inferred[Any] | None]:
    return st.none() | st.sampled_from(values).flatmap(lambda one: st.sampled_from([said(one), guessed(one)]))


wanted = st.builds(
    lambda **fields: replace(PLAIN, **fields),
    memory_bytes=amounts.flatmap(
        lambda n: st.sampled_from([said(n * GIB), guessed(n * GIB), Inferred(n * GIB, Origin.USER)])
    ),
    gpu=st.sampled_from(list(GpuNeed)).map(said),
    gpu_count=_some([1, 2, 4]),
    vram_bytes=_some([8 * GIB, 40 * GIB, 140 * GIB]),
    gpu_vendor=_some(["nvidia", "amd"]),
    cuda=_some(["11.8", "12.4"]),
    cpus=_some([1.0, 4.0]),
    disk_bytes=_some([50 * GIB]),
    kind=_some(list(Kind)),
    hours=_some([1.5, 1000.0]),
)
bounds = st.builds(
    Limits,
    total=st.lists(st.builds(Money, st.integers(0, 10**7), st.sampled_from(["USD", "SU"])), max_size=2).map(tuple),
    hourly=st.lists(st.builds(Money, st.integers(0, 10**6), st.sampled_from(["USD", "SU"])), max_size=1).map(tuple),
    targets=st.lists(st.sampled_from(["local", "linode", "chameleon"]), max_size=2).map(tuple),
    machine_types=st.lists(st.sampled_from(["a", "b"]), max_size=1).map(tuple),
)
lists = st.lists(offers, max_size=8)
hours = st.sampled_from([None, 0.0, 1.0, 24.0, 800.0])


def attempt(there: list[Offer], needs: Requirements, **words: Any) -> Plan | None:
    try:
        return planned(there, needs, **words)
    except NoCapacity as none:
        assert none.message and none.hint
        return None


def firmly(value: Inferred[Any] | None) -> Any:
    """What is firm, or nothing; written anew here, so that it is not the planner that vouches for itself."""
    return value.value if value and (value.origin is Origin.USER or value.evidence[0].confidence >= 0.5) else None


def has_what_is_firm(needs: Requirements, offer: Offer) -> bool:
    enough = offer.available > 0
    for has, need in ((offer.memory_bytes, needs.memory_bytes), (offer.disk_bytes, needs.disk_bytes)):
        enough &= not has or not firmly(need) or has >= 0.93 * firmly(need)
    enough &= not firmly(needs.cpus) or offer.cpus >= firmly(needs.cpus)
    if needs.gpu.value is not GpuNeed.NEEDED:
        return enough
    vendor, count, vram = firmly(needs.gpu_vendor), firmly(needs.gpu_count) or 1, firmly(needs.vram_bytes) or 0
    enough &= offer.gpus > 0 and (not vendor or offer.gpu_vendor in ("", vendor))
    return enough and (not offer.gpu_memory_bytes or offer.gpus * offer.gpu_memory_bytes >= 0.93 * count * vram)


@settings(max_examples=150, deadline=None)
@given(lists, wanted, bounds, hours)
def test_the_choice_has_what_is_firm_and_is_within_every_limit(there, needs, limits, time):
    plan = attempt(there, needs, limits=limits, hours=time)
    if plan is None:
        return
    chosen = plan.chosen
    assert has_what_is_firm(needs, chosen)
    assert plan.total == total(chosen, plan.hours)
    assert not chosen.longest_hours or 0 < plan.hours <= chosen.longest_hours
    assert not limits.targets or chosen.cloud in limits.targets
    assert not limits.machine_types or chosen.machine_type in limits.machine_types
    if chosen.hourly.micros:
        for money, cost in ((limits.total, plan.total), (limits.hourly, chosen.hourly)):
            same = [one.micros for one in money if one.currency == cost.currency]
            assert not money or cost.micros <= min(same)


@settings(max_examples=150, deadline=None)
@given(lists, wanted, hours)
def test_nothing_that_does_as_well_is_cheaper_in_the_same_unit(there, needs, time):
    plan = attempt(there, needs, hours=time)
    if plan is None:
        return
    for other in there:
        alone = attempt([other], needs, hours=time)
        if alone is None or (other.hourly.currency, plan.chosen.hourly.currency).count("USD") == 1:
            continue
        misses = {text for text in alone.warnings if "estimate" in text or "assumed" in text or "need 7.0" in text}
        if not misses or not other.hourly.micros:
            assert total(plan.chosen, 24).micros <= total(other, 24).micros


@settings(max_examples=100, deadline=None)
@given(lists, wanted, bounds, st.randoms(use_true_random=False))
def test_equal_input_in_any_order_gives_an_equal_plan(there, needs, limits, chance: random.Random):
    plan = attempt(there, needs, limits=limits)
    shuffled = list(there)
    chance.shuffle(shuffled)
    again = attempt(shuffled, needs, limits=limits, now_us=99)
    assert (plan and plan.id) == (again and again.id)
    if plan:
        assert unpack(pack(plan), Plan) == plan
        assert {one.offer for one in plan.candidates} == set(there) or limits.targets or limits.machine_types
        assert [bool(one.lost) for one in plan.candidates] == [False] + [True] * (len(plan.candidates) - 1)
        assert {one.target for one in plan.quotes} >= {one.cloud for one in there}


@settings(max_examples=100, deadline=None)
@given(lists, offers, wanted, bounds)
def test_an_offer_that_does_not_fit_never_changes_the_choice(there, other, needs, limits):
    plan = attempt(there, needs, limits=limits)
    if attempt([other], needs, limits=limits) is None:
        more = attempt([*there, other], needs, limits=limits)
        assert (plan and (plan.chosen, plan.total)) == (more and (more.chosen, more.total))


@settings(max_examples=100, deadline=None)
@given(lists, wanted)
def test_a_free_machine_that_will_do_wins_where_nothing_was_asked(there, needs):
    mine = Offer("local", "local", "mine", 64, 999 * GIB, 999 * GIB, 4, 200 * GIB, gpu_vendor="nvidia")
    mine = replace(mine, compute_capability="9.0")
    if attempt([mine], needs) is not None:
        plan = attempt([*there, mine], needs)
        assert plan is not None and plan.total.micros == 0
