# SPDX-License-Identifier: Apache-2.0
"""Requirements + offers → Plan: the choice, its price, and why each other candidate lost. Pure."""

from homeport.plan.make import make_plan
from homeport.plan.overrides import OVERRIDES, apply_overrides
from homeport.plan.runtime import RUNTIMES
from homeport.plan.steps import builds

__all__ = ["OVERRIDES", "RUNTIMES", "apply_overrides", "builds", "make_plan"]
