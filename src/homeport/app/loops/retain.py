# SPDX-License-Identifier: Apache-2.0
"""Forgets what is old: events and finished deployments, a little at a time."""

from __future__ import annotations

import asyncio

import structlog

from homeport.errors import HomeportError
from homeport.interfaces.clock import Clock
from homeport.interfaces.durable import Durable
from homeport.interfaces.store import Store
from homeport.model.deployment import Deployment, DeploymentState
from homeport.model.event import Event

log = structlog.get_logger(__name__)

PERIOD_S = 600.0
KEEP_EVENTS_S = 7 * 86_400
KEEP_DEPLOYMENTS_S = 30 * 86_400


async def retain(store: Store, durable: Durable, clock: Clock) -> None:
    """Until cancelled."""
    while True:
        try:
            removed = await sweep(store, clock.now_us()) + await durable.prune(KEEP_DEPLOYMENTS_S)
            if removed:
                log.info("retain.removed", records=removed)
        except HomeportError as error:
            log.warning("retain.failed", error=error.message)
        await asyncio.sleep(PERIOD_S)


async def sweep(store: Store, now_us: int, *, batch: int = 500) -> int:
    """One pass; the number of records removed. At most `batch` of each kind, so that nothing stalls."""
    removed = 0
    for event in await store.list(Event, limit=batch):
        if event.record.at_us < now_us - KEEP_EVENTS_S * 1_000_000:
            removed += await store.delete(Event, event.namespace, event.key)
    for item in await store.list(Deployment, limit=batch):
        old = item.record.changed_at_us < now_us - KEEP_DEPLOYMENTS_S * 1_000_000
        if old and item.record.state is not DeploymentState.RUNNING:
            removed += await store.delete(Deployment, item.namespace, item.key)
    return removed
