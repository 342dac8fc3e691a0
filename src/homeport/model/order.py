# SPDX-License-Identifier: Apache-2.0
"""A wish to make a plan real."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Order:
    """One wish to make a plan real. JSON through and through, since it must survive a crash."""

    deployment: str
    namespace: str
    agent_id: str
    plan: Plan
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    replace: bool = False
