# SPDX-License-Identifier: Apache-2.0
"""`interfaces.factsource.FactSource` for Linode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from homeport.drivers.factsources import Options, PublishedFacts, address_of
from homeport.drivers.factsources.linode import wire
from homeport.drivers.factsources.linode.images import system_images
from homeport.drivers.factsources.linode.plans import offers
from homeport.drivers.publicapi import PublicApi
from homeport.errors import Denied, InvalidSource
from homeport.model.facts import Facts
from homeport.model.systemimage import SystemImage

__all__ = ["LinodeFacts", "Options"]

_PAGE = 500
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class _Page(Protocol[R_co]):
    """One page of a collection, as all of Linode's collections are."""

    @property
    def data(self) -> Sequence[R_co]: ...

    @property
    def pages(self) -> int: ...


class LinodeFacts(PublishedFacts):
    """Plans in general with the price that holds where no region has its own; limited plans once for each region."""

    cloud = "linode"
    official = "https://api.linode.com/v4"

    def _read(self, api: PublicApi, as_of: str) -> Facts:
        plans = list(_all(api, "/linode/types", wire.Plans))
        regions = list(_all(api, "/regions", wire.Regions))
        free = list(_all(api, "/regions/availability", wire.Availabilities))
        found = offers(plans, regions, free, as_of)
        if not found:
            raise InvalidSource("it names no plan", operation="catalog", subject=self.cloud)
        return Facts(self.cloud, as_of, f"{address_of(api)} on that day", tuple(found), tuple(self._images(api)))

    def _images(self, api: PublicApi) -> list[SystemImage]:
        """None where they are not shown without an account: then those that came with this version are kept."""
        try:
            return system_images(list(_all(api, "/images", wire.Images)))
        except Denied:
            return []


def _all(api: PublicApi, path: str, cls: type[_Page[R]]) -> Iterator[R]:
    """The entries of all pages."""
    number = pages = 1
    while number <= pages:
        page = api.get(f"{path}?page={number}&page_size={_PAGE}", cls)
        yield from page.data
        number, pages = number + 1, page.pages
