# SPDX-License-Identifier: Apache-2.0
"""A cloud in memory, with every way to fail that matters to whoever pays for the machines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from homeport.errors import HomeportError, NoCapacity
from homeport.model.machine import Machine
from homeport.model.money import Money
from homeport.model.plan import Offer

T = TypeVar("T")
OFFER = Offer("fake", "north", "small", cpus=2, memory_bytes=4 << 30, disk_bytes=20 << 30, hourly=Money(10_000))


class Call(StrEnum):
    OFFERS = "offers"
    CREATE = "create"
    FIND = "find"
    DELETE = "delete"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Fault:
    """`after`: the cloud does it, and the caller does not learn: the case that leaks machines."""

    call: Call
    error: HomeportError
    after: bool = False


class FakeCloud:
    """`calls` has every call that was made; `faults` are used up one by one, each by the next call of its kind."""

    name = "fake"

    def __init__(self, *offers: Offer, capacity: int = 100) -> None:
        self._offers = list(offers) or [OFFER]
        self._capacity = capacity
        self.machines: list[Machine] = []
        self.calls: list[Call] = []
        self.faults: list[Fault] = []

    def fail(self, call: Call, error: HomeportError, *, after: bool = False, times: int = 1) -> None:
        self.faults += [Fault(call, error, after)] * times

    async def offers(self) -> list[Offer]:
        fault = self._called(Call.OFFERS)
        return self._answer(fault, list(self._offers))

    async def create(self, offer: Offer, *, namespace: str, owner_tag: str, name: str) -> Machine:
        fault = self._called(Call.CREATE)
        if len(self.machines) >= self._capacity:
            raise NoCapacity("the fake cloud is full", operation="create", subject=offer.machine_type)
        machine = Machine(
            id=f"m-{self.calls.count(Call.CREATE)}",
            namespace=namespace,
            cloud=self.name,
            region=offer.region,
            machine_type=offer.machine_type,
            owner_tag=owner_tag,
            address="192.0.2.1",
            facts={"name": name},
        )
        self.machines.append(machine)
        return self._answer(fault, machine)

    async def find(self, owner_tag: str) -> Machine | None:
        fault = self._called(Call.FIND)
        return self._answer(fault, next((m for m in self.machines if m.owner_tag == owner_tag), None))

    async def delete(self, machine: Machine) -> None:
        fault = self._called(Call.DELETE)
        self.machines = [known for known in self.machines if known.id != machine.id]
        self._answer(fault, None)

    async def owned(self) -> list[Machine]:
        fault = self._called(Call.OWNED)
        return self._answer(fault, list(self.machines))

    def _called(self, call: Call) -> Fault | None:
        self.calls.append(call)
        fault = next((fault for fault in self.faults if fault.call is call), None)
        if fault is None:
            return None
        self.faults.remove(fault)
        if not fault.after:
            raise fault.error
        return fault

    def _answer(self, fault: Fault | None, answer: T) -> T:
        if fault is not None:
            raise fault.error
        return answer
