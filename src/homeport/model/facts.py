# SPDX-License-Identifier: Apache-2.0
"""What a cloud offers, as of a day."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.codec import stored_as
from homeport.model.plan import Offer
from homeport.model.systemimage import SystemImage


@stored_as("facts")
@dataclass(frozen=True, slots=True)
class Facts:
    """`as_of` is a date. `origin` says in words where it is from."""

    cloud: str
    as_of: str
    origin: str
    offers: tuple[Offer, ...]
    images: tuple[SystemImage, ...] = ()
