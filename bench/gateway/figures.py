# SPDX-License-Identifier: Apache-2.0
"""What the run found, by name: values beside their goals, and a reason for each that could not be measured. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.measure import Row


@dataclass(frozen=True)
class Goal:
    """0: none. `stretch` is told, and not required."""

    least: float = 0
    most: float = 0
    stretch: float = 0

    def met(self, value: float) -> bool:
        return (not self.least or value >= self.least) and (not self.most or value <= self.most)

    def required(self) -> str:
        return f"at least {self.least:g}" if self.least else f"at most {self.most:g}" if self.most else ""

    def __str__(self) -> str:
        stretch = f"stretch {self.stretch:g}" if self.stretch else ""
        return ", ".join(filter(None, (self.required(), stretch)))


GOALS = {
    "durable_vs_nginx": Goal(least=0.25, stretch=0.35),
    "durable_vs_caddy": Goal(stretch=1),
    "durable_vs_standin": Goal(least=2.5),
    "nondurable_vs_nginx": Goal(least=0.5),
    "postgres_vs_sqlite": Goal(least=0.6),
    "cpu_us": Goal(most=50),
    "added_p50_ms": Goal(most=0.25),
    "p99_at_half_ms": Goal(most=3),
    "many_agents_cost": Goal(most=1.2),
    "memory_growth": Goal(most=1.1),
    "start_s": Goal(most=2),
}
NAMES = (*GOALS, "durable_vs_litellm", "litellm")
"""Every document has all of these: a number, or null with a reason under `missing`."""


@dataclass
class Figures:
    rows: list[Row] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def row(self, what: str, value: float, unit: str) -> None:
        self.rows.append(Row(what, value, unit))

    def add(self, name: str, what: str, value: float, unit: str) -> None:
        goal = GOALS.get(name, Goal())
        self.values[name] = round(value, 4)
        self.rows.append(Row(what, value, unit, goal.required(), goal.met(value)))

    def without(self, reason: str, *names: str) -> None:
        """They could not be measured; a reason that was given before stands."""
        for name in names:
            self.missing.setdefault(name, reason)

    def document(self) -> Mapping[str, object]:
        """For the top of the JSON document."""
        known = {name: self.values.get(name) for name in (*NAMES, *self.values)}
        missing = {name: self.missing.get(name, "not reached") for name, value in known.items() if value is None}
        return known | {"goals": {name: str(goal) for name, goal in GOALS.items()}, "missing": missing}
