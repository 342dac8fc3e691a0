# SPDX-License-Identifier: Apache-2.0
"""Machines: offered, created with an owner tag, found again by it, deleted."""

from __future__ import annotations

from typing import Protocol

from homeport.model.machine import Machine
from homeport.model.plan import Offer


class Cloud(Protocol):
    name: str

    async def offers(self) -> list[Offer]:
        """What could be had now, with prices. Safe to repeat."""
        ...

    async def create(self, offer: Offer, *, namespace: str, owner_tag: str, name: str) -> Machine:
        """Create one machine. The caller journals the intent first and looks for `owner_tag` before it calls.

        Raises `NoCapacity`, `Denied`, `Unavailable` (then a machine may exist: find it by its tag).
        """
        ...

    async def find(self, owner_tag: str) -> Machine | None:
        """The machine that carries the tag, if there is one."""
        ...

    async def delete(self, machine: Machine) -> None:
        """Returns when it is gone; already gone is no error. Safe to repeat."""
        ...

    async def owned(self) -> list[Machine]:
        """All machines that carry any tag of ours: what `leaks` compares with the journal."""
        ...
