# SPDX-License-Identifier: Apache-2.0
"""What it costs for the whole time, and for how long: the user, else a document, else the kind of work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from homeport.errors import UsageError
from homeport.model.advice import Pick
from homeport.model.money import FREE, Money
from homeport.model.requirements import Kind
from homeport.plan.price import at_most, total
from planning_rig import chameleon, guessed, linode, local, needs, planned

SMALL = replace(linode("g", 3.6), monthly=Money(24_000_000))


@pytest.mark.parametrize(
    ("hours", "dollars"),
    [(0, 0.036), (1, 0.036), (2.5, 0.108), (666, 23.976), (667, 24.0), (720, 24.0), (730, 24.0), (731, 24.036),
     (1460, 48.0), (8760, 288.0)],
)  # fmt: skip
def test_a_capped_price_counts_started_hours_up_to_its_cap_each_month(hours: float, dollars: float) -> None:
    assert total(SMALL, hours) == Money(round(dollars * 1_000_000))
    assert at_most(SMALL, hours).micros >= total(SMALL, hours).micros


def test_what_has_no_cap_costs_by_the_fraction_of_an_hour() -> None:
    assert total(chameleon("x"), 2.5) == Money(2_500_000, "SU")
    assert total(local(), 1000) == FREE


def test_a_total_that_counts_on_the_cap_says_what_the_calendar_may_make_of_it() -> None:
    plan = planned([SMALL], hours=720)
    assert plan.total == Money(24_000_000)
    assert any("cap of $24.00 a month" in text and "$25.92" in text for text in plan.warnings)


@pytest.mark.parametrize(
    ("kind", "hours"),
    [(Kind.SERVICE, 0), (Kind.TRAINING, 24), (Kind.INFERENCE, 0), (Kind.NOTEBOOK, 8), (Kind.HPC, 12),
     (Kind.LIBRARY, 2), (Kind.CLI, 2), (Kind.DATA, 8)],
)  # fmt: skip
def test_the_kind_of_work_says_how_long_a_paid_machine_is_taken(kind: Kind, hours: float) -> None:
    plan = planned([SMALL], needs(kind=kind))
    assert plan.hours == hours and plan.hours_why
    assert plan.total == total(SMALL, hours)


def test_inference_without_a_port_is_a_batch() -> None:
    assert planned([SMALL], replace(needs(kind=Kind.INFERENCE), port=None)).hours == 4


def test_a_document_outranks_the_kind_and_the_user_outranks_both() -> None:
    written = needs(kind=Kind.TRAINING, hours=72.0)
    plan = planned([SMALL], written)
    assert (plan.hours, plan.hours_why) == (72, "documented (README.md:7)")
    plan = planned([SMALL], written, hours=5)
    assert (plan.hours, plan.hours_why) == (5, "asked for")


def test_a_lease_always_ends_and_no_later_than_the_longest() -> None:
    node = chameleon("x")
    assert planned([node], needs(kind=Kind.SERVICE)).hours == 24
    for hours in (0, 1000):
        plan = planned([node], hours=hours)
        assert plan.hours == 168
        assert plan.total == Money(168_000_000, "SU")
    assert any("ends too early" in text for text in plan.warnings)


def test_a_free_machine_has_until_it_is_stopped() -> None:
    assert planned([local()], needs(kind=Kind.TRAINING)).hours == 0
    assert planned([local()], needs(kind=Kind.TRAINING), hours=3).hours == 3


def test_a_model_may_change_an_assumed_time_and_never_a_said_one() -> None:
    pick = Pick(by="llm", hours=6.0, reasoning={"hours": "small\x1b[31m data"})
    plan = planned([SMALL], needs(kind=Kind.TRAINING), picks=[pick])
    assert (plan.hours, plan.hours_why) == (6, "chosen by llm: small [31m data")
    assert planned([SMALL], needs(kind=Kind.TRAINING, hours=guessed(9.0)), picks=[pick]).hours == 6
    kept = planned([SMALL], needs(hours=72.0), picks=[pick])
    assert kept.hours == 72 and any("llm would take 6 h: not followed" in text for text in kept.warnings)
    assert planned([SMALL], hours=2, picks=[pick]).hours == 2


@pytest.mark.parametrize("hours", [-1.0, float("nan"), float("inf"), 1e9, 0.0, 1e-9])
def test_a_senseless_time_from_a_model_is_not_followed(hours: float) -> None:
    plan = planned([SMALL], needs(kind=Kind.TRAINING), picks=[Pick(by="llm", hours=hours)])
    assert plan.hours == 24 and any("no sensible time" in text for text in plan.warnings)


@pytest.mark.parametrize("hours", [-1.0, float("nan"), float("inf"), 1e9, 1e-9])
def test_a_senseless_time_from_the_user_is_refused(hours: float) -> None:
    with pytest.raises(UsageError):
        planned([SMALL], hours=hours)
