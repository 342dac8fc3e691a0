# SPDX-License-Identifier: Apache-2.0
"""What every part of the service works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.gateway.core.events import EventLimits
from homeport.gateway.keeping import Keeping
from homeport.gateway.live import LiveStream
from homeport.gateway.metrics import Metrics
from homeport.gateway.readiness import Readiness
from homeport.gateway.sealing import Sealing
from homeport.gateway.spool import Spool
from homeport.gateway.waiting import Waiters
from homeport.interfaces.clock import Clock
from homeport.interfaces.journal import Journal


@dataclass(slots=True)
class Tools:
    """`owner` is whose leases ours are, `lease_s` how long one lasts without being renewed."""

    journal: Journal
    clock: Clock
    spool: Spool
    sealing: Sealing
    owner: str
    lease_s: float
    keeping: Keeping
    readiness: Readiness
    waiters: Waiters = field(default_factory=Waiters)
    metrics: Metrics = field(default_factory=Metrics)
    live: dict[str, LiveStream] = field(default_factory=dict)
    """Event streams that pass through this gateway, by request, until the journal has their end."""
    event_limits: EventLimits = field(default_factory=EventLimits)

    def lease_until(self) -> int:
        """The end of a lease that begins now."""
        return self.clock.now_us() + int(self.lease_s * 1e6)
