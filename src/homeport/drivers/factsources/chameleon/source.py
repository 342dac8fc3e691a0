# SPDX-License-Identifier: Apache-2.0
"""`interfaces.factsource.FactSource` for Chameleon."""

from __future__ import annotations

from homeport.drivers.factsources import Options, PublishedFacts, address_of
from homeport.drivers.factsources.chameleon import wire
from homeport.drivers.factsources.chameleon.nodes import check_name, offers
from homeport.drivers.publicapi import PublicApi
from homeport.errors import InvalidSource, NotFound
from homeport.model.facts import Facts
from homeport.model.plan import Offer

__all__ = ["ChameleonFacts", "Options"]

_PAGE = 500
_WITHOUT_NODES = ("kvm", "edge")
_MOST_SITES = 20


class ChameleonFacts(PublishedFacts):
    """One offer for each node type of each site. It publishes no images, and no prices: a node-hour is one unit."""

    cloud = "chameleon"
    official = "https://api.chameleoncloud.org"

    def _read(self, api: PublicApi, as_of: str) -> Facts:
        sites = api.get("/sites", wire.Sites).items
        names = [check_name(site.uid) for site in sites if (site.site_class or "").lower() not in _WITHOUT_NODES]
        if len(set(names)) < len(names) or len(names) > _MOST_SITES:
            raise InvalidSource("a site is there twice, or they are too many", operation="catalog", subject=self.cloud)
        found = [offer for site in names for offer in self._site(api, site, as_of)]
        if not found:
            raise InvalidSource("it names no node", operation="catalog", subject=self.cloud)
        units = "one service unit is an hour of a base node, special hardware may cost more"
        origin = f"{address_of(api)} on that day; {units}"
        return Facts(self.cloud, as_of, origin, tuple(found))

    def _site(self, api: PublicApi, site: str, as_of: str) -> list[Offer]:
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
