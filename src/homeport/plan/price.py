# SPDX-License-Identifier: Apache-2.0
"""What an offer costs for so many hours."""

from __future__ import annotations

import math

from homeport.model.money import Money
from homeport.model.plan import Offer

MONTH = 730.0
"""Hours of a month where a price has a monthly cap."""


def total(offer: Offer, hours: float) -> Money:
    """For the whole time; without an end (`hours` 0) for the first hour.

    A price with a monthly cap is billed by the started hour, and a month is never more than its cap (this is how
    Linode bills). Months are counted from the start; see `at_most` for those of the calendar.
    """
    hours = hours or 1.0
    if not offer.monthly.micros:
        return offer.hourly * hours
    whole = _started(hours)
    months, rest = divmod(whole, MONTH)
    partly = min(offer.hourly.micros * int(rest), offer.monthly.micros)
    return Money(offer.monthly.micros * int(months) + partly, offer.hourly.currency)


def at_most(offer: Offer, hours: float) -> Money:
    """The most that it can cost where caps count by the calendar and work spans the turn of a month."""
    if not offer.monthly.micros:
        return total(offer, hours)
    whole = _started(hours or 1.0)
    touched = math.ceil(whole / (28 * 24)) + 1
    return Money(min(offer.hourly.micros * whole, offer.monthly.micros * touched), offer.hourly.currency)


def _started(hours: float) -> int:
    return max(1, math.ceil(round(hours, 6)))


def paid(offer: Offer) -> bool:
    """Whether it costs anything, as far as is known."""
    return offer.priced and offer.hourly.micros > 0


def span(hours: float) -> str:
    """`for 24 h`; without an end `an hour`."""
    return f"for {hours:g} h" if hours else "an hour"
