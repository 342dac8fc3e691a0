# SPDX-License-Identifier: Apache-2.0
"""A question asked of a running instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from homeport.model.workload import HealthCheck


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`detail` is the status line or the error; `elapsed` in seconds."""

    ok: bool
    detail: str
    elapsed: float


class Probe(Protocol):
    async def check(self, endpoint: str, health: HealthCheck) -> ProbeResult:
        """Never raises; bounded by `health.timeout`."""
        ...
