# SPDX-License-Identifier: Apache-2.0
"""Requirements + offers → Plan: the choice, its price, and why each other candidate lost. Pure."""

from homeport.plan.make import make_plan
from homeport.plan.overrides import OVERRIDES, apply_overrides

__all__ = ["OVERRIDES", "apply_overrides", "make_plan"]
