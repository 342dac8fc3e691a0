# SPDX-License-Identifier: Apache-2.0
"""The Prometheus text format 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Mapping

from homeport.gateway.metrics.families import Family
from homeport.gateway.metrics.histogram import Histogram

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def escaped(value: str) -> str:
    """As a label's value."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def labelled(labels: Mapping[str, str]) -> str:
    """`a="1",b="2"`; "" where there are none."""
    return ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())


def number(value: float) -> str:
    if math.isfinite(value):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class Page:
    """Lines of one scrape. A family's samples must follow its `family`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._name = ""

    def family(self, family: Family) -> None:
        self._name = family.name
        meaning = family.help.replace("\\", r"\\").replace("\n", r"\n")
        self.lines += [f"# HELP {family.name} {meaning}", f"# TYPE {family.name} {family.kind}"]

    def add(self, value: float, labels: str = "") -> None:
        self.lines.append(f"{self._name}{{{labels}}} {number(value)}" if labels else f"{self._name} {number(value)}")

    def histogram(self, found: Histogram, labels: str = "") -> None:
        name, total = self._name, 0
        before = f"{labels}," if labels else ""
        for bound, n in zip((*map(number, found.bounds), "+Inf"), list(found.counts), strict=True):
            total += n
            self.lines.append(f'{name}_bucket{{{before}le="{bound}"}} {total}')
        around = f"{{{labels}}}" if labels else ""
        self.lines += [f"{name}_sum{around} {number(found.sum)}", f"{name}_count{around} {total}"]

    def text(self) -> str:
        return "\n".join(self.lines) + "\n"
