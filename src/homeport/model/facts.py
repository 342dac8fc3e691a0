# SPDX-License-Identifier: Apache-2.0
"""What a cloud offers, as of a day."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.codec import stored_as
from homeport.model.money import Money
from homeport.model.plan import Offer
from homeport.model.systemimage import SystemImage

SERVICE_UNIT = Money(1_000_000, "SU")
"""What an hour of one of Chameleon's nodes costs, a base node; sites may charge special hardware more.
https://chameleoncloud.readthedocs.io/en/latest/user/project.html#service-units"""
LEASE_HOURS = 168.0
"""The longest lease of a bare-metal node at Chameleon: seven days.
https://chameleoncloud.readthedocs.io/en/latest/technical/reservations/gui_reservations.html"""
SEVERAL = " | "
"""In `Offer.gpu_model`, between the models of a machine type whose nodes differ."""


@stored_as("facts")
@dataclass(frozen=True, slots=True)
class Facts:
    """`as_of` is a date. `origin` says in words where it is from."""

    cloud: str
    as_of: str
    origin: str
    offers: tuple[Offer, ...]
    images: tuple[SystemImage, ...] = ()
