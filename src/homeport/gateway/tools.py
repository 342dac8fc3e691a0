# SPDX-License-Identifier: Apache-2.0
"""What every part of the service works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.gateway.metrics import Metrics
from homeport.gateway.sealing import Sealing
from homeport.gateway.spool import Spool
from homeport.gateway.waiting import Waiters
from homeport.interfaces.clock import Clock
from homeport.interfaces.journal import Journal


@dataclass(slots=True)
class Tools:
    journal: Journal
    clock: Clock
    spool: Spool
    sealing: Sealing
    waiters: Waiters = field(default_factory=Waiters)
    metrics: Metrics = field(default_factory=Metrics)
