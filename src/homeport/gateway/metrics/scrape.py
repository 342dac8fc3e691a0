# SPDX-License-Identifier: Apache-2.0
"""One scrape: what was counted, and what is looked up for it. Traffic goes on between its parts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby

import homeport
from homeport.errors import HomeportError
from homeport.gateway.core.access import Key, Routes
from homeport.gateway.courier import Courier
from homeport.gateway.metrics import families as f
from homeport.gateway.metrics.counts import AgentCounts
from homeport.gateway.metrics.families import Family, Reading
from homeport.gateway.metrics.histogram import Histogram
from homeport.gateway.metrics.process import disk, process
from homeport.gateway.metrics.text import Page, labelled
from homeport.gateway.tools import Tools
from homeport.interfaces.journal import Queue
from homeport.model.request import RequestState

AT_ONCE = 50
"""Agents written in one go, with the loop free in between."""
_COUNTED: tuple[tuple[Family, Callable[[AgentCounts], float]], ...] = (
    (f.ACCEPTED, lambda counts: counts.accepted),
    (f.RETRIES, lambda counts: counts.retries),
    (f.TUNNELS, lambda counts: counts.tunnels),
    (f.TUNNELS_OPENED, lambda counts: counts.tunnels_opened),
    (f.TUNNELS_SENT, lambda counts: counts.tunnels_sent),
    (f.TUNNELS_RECEIVED, lambda counts: counts.tunnels_received),
)
_TIMED: tuple[tuple[Family, Callable[[AgentCounts], Histogram]], ...] = (
    (f.AGENT_TIME, lambda counts: counts.agent_time),
    (f.QUEUE_TIME, lambda counts: counts.queue_time),
)
_Numbers = tuple[dict[Key, Queue], dict[RequestState, int], dict[str, int]]


class Scrape:
    def __init__(self, tools: Tools, routes: Routes, courier: Courier) -> None:
        self._tools, self._routes, self._courier = tools, routes, courier

    async def text(self, namespace: str = "") -> str:
        """Of all agents, or of those of one namespace. What the journal cannot say just now is left out."""
        self._tools.metrics.forget(self._routes.by_key)
        looked = await self._look()
        page = Page()
        await self._counted(page, namespace)
        self._agents(page, namespace, looked[0] if looked else {}, known=looked is not None)
        self._whole(page)
        readings = [Reading(f.JOURNAL_UP, looked is not None), Reading(f.SPOOL_SIZE, self._tools.spool.kept_bytes)]
        if looked is not None:
            readings += [Reading(f.STORED, n, {"state": state.value}) for state, n in looked[1].items()]
            readings += [Reading(f.JOURNAL_SIZE, n, {"part": part}) for part, n in looked[2].items()]
        readings += await asyncio.to_thread(lambda: [*disk(self._tools.spool.folder), *process()])
        readings.append(Reading(f.INFO, 1, {"version": homeport.__version__}))
        for source in self._tools.metrics.sources:
            readings += source()
        _add(page, readings, namespace)
        return page.text()

    async def _look(self) -> _Numbers | None:
        journal = self._tools.journal
        if journal.away():
            return None
        try:
            return await journal.queues(), await journal.counts(), await journal.sizes()
        except HomeportError:
            return None

    async def _counted(self, page: Page, namespace: str) -> None:
        """In one piece for each family; an agent that comes meanwhile is in the next scrape."""
        agents = [(_labels(key), counts) for key, counts in self._tools.metrics.agents.items() if _seen(key, namespace)]
        for family, value in _COUNTED:
            page.family(family)
            for labels, counts in agents:
                page.add(value(counts), labels)
        page.family(f.ENDED)
        for labels, counts in agents:
            for (outcome, kind), n in sorted(counts.ended.items()):
                page.add(n, f'{labels},outcome="{outcome}",code="{f"{kind}xx" if kind else ""}"')
        for family, histogram in _TIMED:
            page.family(family)
            for number, (labels, counts) in enumerate(agents):
                page.histogram(histogram(counts), labels)
                if number % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)

    def _agents(self, page: Page, namespace: str, queues: dict[Key, Queue], *, known: bool) -> None:
        """As they are now. A queue may outlive its agent for a moment."""
        routes = {key: route for key, route in self._routes.by_key.items() if _seen(key, namespace)}
        flying = Counter((one.route.namespace, one.route.agent) for one in self._courier.active.values())
        page.family(f.READY)
        for key, route in routes.items():
            page.add(route.ready, _labels(key))
        page.family(f.CIRCUIT)
        for key in routes:
            page.add(self._courier.broken(key), _labels(key))
        page.family(f.IN_FLIGHT)
        for key in routes.keys() | {key for key in flying if _seen(key, namespace)}:
            page.add(flying[key], _labels(key))
        if not known:
            return
        now_us = self._tools.clock.now_us()
        waiting = sorted(routes.keys() | {key for key in queues if _seen(key, namespace)})
        page.family(f.PENDING)
        for key in waiting:
            page.add(queues[key].requests if key in queues else 0, _labels(key))
        page.family(f.OLDEST)
        for key in waiting:
            page.add(max(0.0, (now_us - queues[key].since_us) / 1e6) if key in queues else 0.0, _labels(key))

    def _whole(self, page: Page) -> None:
        metrics = self._tools.metrics
        page.family(f.PROMISES)
        page.add(metrics.promises)
        page.family(f.REFUSED)
        for (reason, status), n in sorted(metrics.refusals.items()):
            page.add(n, labelled({"reason": reason, "code": str(status)}))
        for family, histogram in ((f.TOTAL_TIME, metrics.total_time), (f.SYNC_TIME, metrics.sync_time)):
            page.family(family)
            page.histogram(histogram)


def _add(page: Page, readings: Iterable[Reading], namespace: str) -> None:
    """Those of one family that come together are one block."""
    for family, found in groupby(readings, key=lambda reading: reading.family):
        page.family(family)
        for reading in found:
            labels = reading.labels or {}
            if not namespace or labels.get("namespace", namespace) == namespace:
                page.add(reading.value, labelled(labels))


def _labels(key: Key) -> str:
    return labelled({"namespace": key[0], "agent": key[1]})


def _seen(key: Key, namespace: str) -> bool:
    return not namespace or key[0] == namespace
