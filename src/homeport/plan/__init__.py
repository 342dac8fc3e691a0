# SPDX-License-Identifier: Apache-2.0
"""Requirements + offers → Plan: the choice, its price, and why each other candidate lost. Pure.

`make` puts it in a row; `match` says what an offer lacks, `bounds` what the user allows, `rank` which is best,
`duration` for how long, `images` with which system. The tables of `facts/` are read by `catalogue` and `gpus`.
"""

from homeport.plan.bounds import placed
from homeport.plan.images import image_candidates
from homeport.plan.make import fitting_offers, make_plan
from homeport.plan.overrides import OVERRIDES, apply_overrides
from homeport.plan.runtime import RUNTIMES
from homeport.plan.steps import builds

__all__ = [
    "OVERRIDES",
    "RUNTIMES",
    "apply_overrides",
    "builds",
    "fitting_offers",
    "image_candidates",
    "make_plan",
    "placed",
]
