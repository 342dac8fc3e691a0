# SPDX-License-Identifier: Apache-2.0
"""A refusal over money says what to type, and what it says is enough."""

from __future__ import annotations

import pytest

from homeport.errors import NoCapacity
from homeport.model.limits import Limits
from homeport.model.money import Money, parse_money
from planning_rig import chameleon, linode, planned

SMALL, NODE = linode("small", 1.8, 4), chameleon("node")
CENT, DOLLARS, HALF_UNIT = Money(10_000), Money(5_000_000), Money(500_000, "SU")


@pytest.mark.parametrize(
    ("offer", "hours", "limits", "hint"),
    [
        (SMALL, 10, Limits(hourly=(CENT,)), "--max-price 0.02USD allows small"),
        (SMALL, 10, Limits(total=(CENT,)), "--max-cost 0.18USD allows small"),
        (SMALL, 0, Limits(total=(CENT,)), "--max-cost 0.02USD allows small"),
        (SMALL, 10, Limits(total=(CENT,), hourly=(CENT,)), "--max-price 0.02USD --max-cost 0.18USD allows small"),
        (NODE, 10, Limits(hourly=(DOLLARS,)), "--max-price 1.00SU allows node"),
        (NODE, 10, Limits(total=(DOLLARS,), hourly=(HALF_UNIT,)), "--max-price 1.00SU --max-cost 10.00SU allows node"),
    ],
)
def test_what_was_too_dear_is_allowed_by_what_the_hint_says(offer, hours, limits, hint) -> None:
    with pytest.raises(NoCapacity) as refused:
        planned([offer], limits=limits, hours=hours)
    assert refused.value.hint == hint
    words = hint.split()
    amounts = {words[at]: parse_money(words[at + 1]) for at in range(0, len(words) - 2, 2)}
    typed = Limits(
        total=(amounts["--max-cost"],) if "--max-cost" in amounts else limits.total,
        hourly=(amounts["--max-price"],) if "--max-price" in amounts else limits.hourly,
    )
    assert planned([offer], limits=typed, hours=hours).chosen == offer
