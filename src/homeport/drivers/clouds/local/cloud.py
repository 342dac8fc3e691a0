# SPDX-License-Identifier: Apache-2.0
"""`interfaces.cloud.Cloud` for this machine."""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from homeport.drivers.clouds.local import measure
from homeport.drivers.clouds.local.register import Register
from homeport.interfaces.clock import Clock
from homeport.model.machine import Machine
from homeport.model.money import FREE
from homeport.model.plan import Offer


@dataclass(frozen=True, slots=True)
class Options:
    register: Path
    """A JSON file of the state folder; its folder's disk is the one that is measured."""


class LocalCloud:
    """Taking the machine twice is allowed: agents share it. A machine here is a record, and deleting it frees that."""

    name = "local"

    def __init__(self, options: Options, clock: Clock | None = None) -> None:
        self._options = options
        self._register = Register(options.register)
        self._now_us = clock.now_us if clock else lambda: time.time_ns() // 1000

    async def offers(self) -> list[Offer]:
        return [await asyncio.to_thread(self._offer)]

    async def create(self, offer: Offer, *, namespace: str, owner_tag: str, name: str) -> Machine:
        """As `Cloud.create`; the same tag gives the same machine. Raises `StorageFull`."""
        machine = Machine(
            id=f"local-{owner_tag}",
            namespace=namespace,
            cloud=self.name,
            region=offer.region,
            machine_type=offer.machine_type,
            owner_tag=owner_tag,
            created_at_us=self._now_us(),
            facts={"name": name, "hostname": platform.node()},
        )
        return await asyncio.to_thread(self._register.add, machine)

    async def find(self, owner_tag: str) -> Machine | None:
        return (await asyncio.to_thread(self._register.read)).get(owner_tag)

    async def delete(self, machine: Machine) -> None:
        await asyncio.to_thread(self._register.remove, machine.owner_tag)

    async def owned(self) -> list[Machine]:
        return list((await asyncio.to_thread(self._register.read)).values())

    def _offer(self) -> Offer:
        return Offer(
            cloud=self.name,
            region="local",
            machine_type="this machine",
            cpus=measure.cpus(),
            memory_bytes=measure.memory_bytes(),
            disk_bytes=measure.disk_bytes(self._options.register.parent),
            gpus=measure.gpus(),
            arch=platform.machine(),
            hourly=FREE,
        )
