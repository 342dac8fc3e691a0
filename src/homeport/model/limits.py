# SPDX-License-Identifier: Apache-2.0
"""What a plan may cost and where it may be."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.money import Money

TARGETS = ("local", "linode", "chameleon", "kubernetes")
"""Clouds by name, in the order in which they are shown; others follow by name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Empty means no limit. A budget is an amount for each unit of money: `5 USD` and `20 SU` are both one budget.

    An offer priced in a unit that a non-empty budget does not name is outside of it; what is free is always inside.
    """

    total: tuple[Money, ...] = ()
    """At most so much for the whole time (without an end: for the first hour)."""
    hourly: tuple[Money, ...] = ()
    targets: tuple[str, ...] = ()
    """Clouds by name, see `TARGETS`."""
    regions: tuple[str, ...] = ()
    machine_types: tuple[str, ...] = ()
