# SPDX-License-Identifier: Apache-2.0
"""Drivers of one interface; see `interfaces/extension_points.py`. Here is what they share: how facts are fetched."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from homeport.drivers.publicapi import SECONDS, PublicApi, ask
from homeport.errors import InvalidSource
from homeport.interfaces.clock import Clock
from homeport.model.facts import Facts


@dataclass(frozen=True, slots=True)
class Options:
    base: str = ""
    """Where the API is; "" is the cloud's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Proxy variables."""
    seconds: float = SECONDS
    """For all of it together."""


class PublishedFacts(ABC):
    """What a cloud publishes at `official`, for everybody and without an account."""

    cloud: str
    official: str

    def __init__(self, options: Options | None = None, clock: Clock | None = None) -> None:
        self._options = options or Options()
        self._now_us = clock.now_us if clock else lambda: time.time_ns() // 1000

    async def fetch(self) -> Facts:
        """As `FactSource.fetch`."""
        given = self._options
        as_of = datetime.fromtimestamp(self._now_us() / 1e6, UTC).date().isoformat()
        return await ask(
            given.base or self.official, given.env, lambda api: self._read(api, as_of), seconds=given.seconds
        )

    @abstractmethod
    def _read(self, api: PublicApi, as_of: str) -> Facts:
        """The facts as of a day, from the API's answers. Runs in a thread. Raises as `FactSource.fetch`."""


def address_of(api: PublicApi) -> str:
    """Host and path, as shown to people."""
    return api.base.partition("://")[2].rstrip("/")[:100]


def within(value: float, least: float, most: float, what: str) -> None:
    """Raises `InvalidSource` for a number that cannot be true."""
    if not least <= value <= most:
        raise InvalidSource(f"{what} cannot be {value:.15g}", operation="catalog", subject=what)
