# SPDX-License-Identifier: Apache-2.0
"""The parts of Chameleon's reference API that are read:
https://chameleoncloud.readthedocs.io/en/latest/technical/discovery/rest_api.html

Sizes are bytes. Fields that are not here are not looked at; a wrong type is an error.
"""

from __future__ import annotations

import msgspec


class Site(msgspec.Struct, frozen=True):
    """`site_class` is baremetal, kvm or edge; only the first has nodes."""

    uid: str
    name: str = ""
    site_class: str | None = None


class Architecture(msgspec.Struct, frozen=True):
    """`smt_size` counts threads."""

    platform_type: str
    smt_size: int


class Memory(msgspec.Struct, frozen=True):
    ram_size: int


class Disk(msgspec.Struct, frozen=True):
    size: int = 0


class Gpu(msgspec.Struct, frozen=True):
    gpu: bool = False
    gpu_count: int | None = None
    gpu_model: str | None = None
    gpu_vendor: str | None = None


class Node(msgspec.Struct, frozen=True):
    uid: str
    node_type: str
    architecture: Architecture
    main_memory: Memory
    storage_devices: list[Disk] | None = None
    gpu: Gpu | list[Gpu] | None = None


class Sites(msgspec.Struct, frozen=True):
    items: list[Site]
    total: int


class Nodes(msgspec.Struct, frozen=True):
    items: list[Node]
    total: int
