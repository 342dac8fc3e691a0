# SPDX-License-Identifier: Apache-2.0
"""`interfaces.factsource.FactSource` for Linode."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from homeport.drivers.factsources import SECONDS, Asked, asked, today
from homeport.drivers.factsources.linode import wire
from homeport.drivers.factsources.linode.images import system_images
from homeport.drivers.factsources.linode.plans import offers
from homeport.errors import Denied, InvalidSource
from homeport.interfaces.clock import Clock
from homeport.model.facts import Facts
from homeport.model.systemimage import SystemImage

OFFICIAL = "https://api.linode.com/v4"
_PAGE = 500
R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")


class _Page(Protocol[R_co]):
    """One page of a collection, as all of Linode's collections are."""

    @property
    def data(self) -> Sequence[R_co]: ...

    @property
    def pages(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Options:
    base: str = ""
    """Where the API is; "" is Linode's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Proxy variables."""
    seconds: float = SECONDS
    """For all of it together."""


class LinodeFacts:
    """Plans in general with the price that holds where no region has its own; limited plans once for each region."""

    cloud = "linode"

    def __init__(self, options: Options | None = None, clock: Clock | None = None) -> None:
        self._options = options or Options()
        self._now_us = clock.now_us if clock else lambda: time.time_ns() // 1000

    async def fetch(self) -> Facts:
        """As `FactSource.fetch`."""
        given = self._options
        return await asked(given.base or OFFICIAL, given.env, self._read, seconds=given.seconds)

    def _read(self, api: Asked) -> Facts:
        as_of = today(self._now_us())
        plans = list(_all(api, "/linode/types", wire.Plans))
        regions = list(_all(api, "/regions", wire.Regions))
        free = list(_all(api, "/regions/availability", wire.Availabilities))
        found = offers(plans, regions, free, as_of)
        if not found:
            raise InvalidSource("it names no plan", operation="catalog", subject=self.cloud)
        return Facts(self.cloud, as_of, f"{_named(api.base)} on that day", tuple(found), tuple(self._images(api)))

    def _images(self, api: Asked) -> list[SystemImage]:
        """None where they are not shown without an account: then those that came with this version are kept."""
        try:
            return system_images(list(_all(api, "/images", wire.Images)))
        except Denied:
            return []


def _named(base: str) -> str:
    return base.partition("://")[2].rstrip("/")[:100]


def _all(api: Asked, path: str, cls: type[_Page[R]]) -> Iterator[R]:
    """The entries of all pages."""
    number = pages = 1
    while number <= pages:
        page = api.get(f"{path}?page={number}&page_size={_PAGE}", cls)
        yield from page.data
        number, pages = number + 1, page.pages
