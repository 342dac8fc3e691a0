# SPDX-License-Identifier: Apache-2.0
"""`interfaces.factsource.FactSource` for Chameleon."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from homeport.drivers.factsources import SECONDS, Asked, asked, today
from homeport.drivers.factsources.chameleon import wire
from homeport.drivers.factsources.chameleon.nodes import check_name, offers
from homeport.errors import InvalidSource, NotFound
from homeport.interfaces.clock import Clock
from homeport.model.facts import Facts
from homeport.model.plan import Offer

OFFICIAL = "https://api.chameleoncloud.org"
_PAGE = 500
_WITHOUT_NODES = ("kvm", "edge")
_MOST_SITES = 20


@dataclass(frozen=True, slots=True)
class Options:
    base: str = ""
    """Where the reference API is; "" is Chameleon's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Proxy variables."""
    seconds: float = SECONDS
    """For all of it together."""


class ChameleonFacts:
    """One offer for each node type of each site. It publishes no images, and no prices: a node-hour is one unit."""

    cloud = "chameleon"

    def __init__(self, options: Options | None = None, clock: Clock | None = None) -> None:
        self._options = options or Options()
        self._now_us = clock.now_us if clock else lambda: time.time_ns() // 1000

    async def fetch(self) -> Facts:
        """As `FactSource.fetch`."""
        given = self._options
        return await asked(given.base or OFFICIAL, given.env, self._read, seconds=given.seconds)

    def _read(self, api: Asked) -> Facts:
        as_of = today(self._now_us())
        sites = api.get("/sites", wire.Sites).items
        names = [check_name(site.uid) for site in sites if (site.site_class or "").lower() not in _WITHOUT_NODES]
        if len(set(names)) < len(names) or len(names) > _MOST_SITES:
            raise InvalidSource("a site is there twice, or they are too many", operation="catalog", subject=self.cloud)
        found = [offer for site in names for offer in self._site(api, site, as_of)]
        if not found:
            raise InvalidSource("it names no node", operation="catalog", subject=self.cloud)
        where = api.base.partition("://")[2].rstrip("/")[:100]
        origin = f"{where} on that day; one service unit is an hour of a base node, special hardware may cost more"
        return Facts(self.cloud, as_of, origin, tuple(found))

    def _site(self, api: Asked, site: str, as_of: str) -> list[Offer]:
        """None for a site that has no nodes to be leased."""
        nodes: list[wire.Node] = []
        try:
            while True:
                query = f"?offset={len(nodes)}&limit={_PAGE}"
                page = api.get(f"/sites/{site}/clusters/chameleon/nodes{query}", wire.Nodes)
                nodes += page.items
                if not page.items or len(nodes) >= page.total:
                    return offers(site, nodes, as_of)
        except NotFound:
            return []
