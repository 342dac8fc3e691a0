# SPDX-License-Identifier: Apache-2.0
"""A probe whose answers a test sets."""

from __future__ import annotations

from homeport.interfaces.probe import ProbeResult
from homeport.model.workload import HealthCheck


class FakeProbe:
    """Everything is healthy until `answers[endpoint]` says otherwise. `asked` has the endpoints, in order."""

    def __init__(self) -> None:
        self.answers: dict[str, ProbeResult] = {}
        self.asked: list[str] = []

    def fail(self, endpoint: str, detail: str = "connection refused") -> None:
        self.answers[endpoint] = ProbeResult(False, detail, 0.0)

    def heal(self, endpoint: str) -> None:
        self.answers.pop(endpoint, None)

    async def check(self, endpoint: str, health: HealthCheck) -> ProbeResult:
        self.asked.append(endpoint)
        return self.answers.get(endpoint, ProbeResult(True, "200 OK", 0.0))
