# SPDX-License-Identifier: Apache-2.0
"""The parts of Linode's API that are read, as it documents them: https://techdocs.akamai.com/linode-api/reference

Sizes are MiB, prices dollars. Fields that are not here are not looked at; a wrong type is an error.
"""

from __future__ import annotations

import msgspec


class Price(msgspec.Struct, frozen=True):
    hourly: float | None = None
    monthly: float | None = None


class RegionPrice(msgspec.Struct, frozen=True):
    id: str
    hourly: float | None = None
    monthly: float | None = None


class Plan(msgspec.Struct, frozen=True):
    """`kind` is the API's `class`: nanode, standard, dedicated, premium, gpu, highmem, accelerated."""

    id: str
    label: str
    kind: str = msgspec.field(name="class")
    vcpus: int
    memory: int
    disk: int
    gpus: int
    price: Price
    region_prices: list[RegionPrice] = []


class Region(msgspec.Struct, frozen=True):
    id: str
    capabilities: list[str] = []
    status: str = "ok"


class Availability(msgspec.Struct, frozen=True):
    """Whether a limited plan can be had in a region now."""

    region: str
    plan: str
    available: bool


class Image(msgspec.Struct, frozen=True):
    id: str
    label: str
    vendor: str | None = None
    deprecated: bool = False
    is_public: bool = True
    created: str | None = None


class Plans(msgspec.Struct, frozen=True):
    data: list[Plan]
    pages: int


class Regions(msgspec.Struct, frozen=True):
    data: list[Region]
    pages: int


class Availabilities(msgspec.Struct, frozen=True):
    data: list[Availability]
    pages: int


class Images(msgspec.Struct, frozen=True):
    data: list[Image]
    pages: int
